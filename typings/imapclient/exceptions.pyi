import imaplib

IMAPClientError = imaplib.IMAP4.error

class LoginError(IMAPClientError): ...
