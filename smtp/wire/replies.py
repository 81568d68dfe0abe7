"""The replies whose words are always the same (RFC 5321 section 4.2, RFC 3463)."""

from __future__ import annotations

from smtp.wire.reply import Reply

OK = Reply(250, "2.0.0", "OK")
BYE = Reply(221, "2.0.0", "Bye")
GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
HELP = Reply(214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT HELP VRFY STARTTLS AUTH")
CANNOT_VERIFY = Reply(252, "2.5.2", "Can't verify addresses; send mail and see")
NO_LISTS = Reply(502, "5.5.1", "EXPN is not offered here")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")

NOT_KNOWN = Reply(500, "5.5.2", "Command not known")
EMPTY_LINE = Reply(500, "5.5.2", "Command expected")
CONTROL_OCTETS = Reply(501, "5.5.2", "Control characters are not allowed in commands")
LINE_TOO_LONG = Reply(500, "5.5.6", "Line too long")
BARE_LINE_FEED = Reply(500, "5.5.2", "Lines end in CR LF, not in LF alone")
NO_ARGUMENT = Reply(501, "5.5.4", "No argument allowed")
HELO_ARGUMENT = Reply(501, "5.5.4", "Give the name of your host")
BDAT_ARGUMENT = Reply(501, "5.5.4", "BDAT takes a number of octets of at most 19 digits, and LAST")
NO_TLS = Reply(502, "5.5.1", "TLS is not offered here")
TLS_ALREADY = Reply(503, "5.5.1", "TLS is already there")
EHLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
AUTH_ALREADY = Reply(503, "5.5.1", "Already signed in")
AUTH_ARGUMENT = Reply(501, "5.5.4", "AUTH takes a mechanism and an initial response")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
NOT_BASE64 = Reply(501, "5.5.2", "Not base64")
SASL_TOO_LONG = Reply(500, "5.5.6", "Authentication line too long")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections, try again later")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Too many messages in one session, closing connection")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors, closing connection")
NO_BROWSERS = Reply(421, "4.7.0", "This is not a web server, closing connection")
TIMED_OUT = Reply(421, "4.4.2", "Waited too long, closing connection")
FLOODED = Reply(421, "4.3.4", "Message far too big, closing connection")
SHUTTING_DOWN = Reply(421, "4.3.2", "Server is shutting down, try again later")
