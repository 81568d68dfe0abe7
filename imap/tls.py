"""The TLS context of the listeners, renewed when the certificate's files change."""

from __future__ import annotations

import os

import structlog
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer

from config.settings import Tls

log = structlog.get_logger()

_MINIMUM = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


@implementer(IOpenSSLContextFactory)
class ServerContext:
    """A context factory for Twisted: each handshake gets the present certificate."""

    def __init__(self, settings: Tls) -> None:
        """Raises OSError or ``SSL.Error`` when the certificate or key can't be read."""
        self._settings = settings
        self._stamp = self._files()
        self._context = self._load()

    def getContext(self) -> SSL.Context:  # Twisted's name for it
        """The context; files that changed are loaded, ones that are broken leave the old certificate in use."""
        try:
            stamp = self._files()
            if stamp != self._stamp:
                self._stamp = stamp
                self._context = self._load()
                log.info("imap.certificate_loaded")
        except (OSError, SSL.Error) as error:
            log.error("imap.certificate_unreadable", error=str(error))
        return self._context

    def _files(self) -> tuple[tuple[int, int], ...]:
        paths = (self._settings.certificate, self._settings.key)
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in (os.stat(path) for path in paths if path))

    def _load(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(_MINIMUM[self._settings.minimum])
        # No renegotiation and no compression (RFC 7525 section 3); buffers of idle sessions are given back.
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate_chain_file(str(self._settings.certificate))
        context.use_privatekey_file(str(self._settings.key or self._settings.certificate))
        context.check_privatekey()
        return context
