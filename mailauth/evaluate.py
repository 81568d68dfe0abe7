"""One call for SPF, DKIM and DMARC of a message, bounded in time."""

from __future__ import annotations

import time
from ipaddress import IPv6Address, ip_address

import structlog

from config.settings import MailAuth
from mailauth import dkim_verify, dmarc, results, spf
from mailauth.resolver import Resolver
from mailauth.results import AuthenticationResults, DkimResult, DmarcResult, Outcome, SpfResult
from message.content import Buffer
from message.envelope import Envelope
from message.headers import HeaderBlock

log = structlog.get_logger()


class Evaluator:
    """Says what the DNS and the signatures tell about a message. Safe from several threads."""

    def __init__(self, resolver: Resolver, settings: MailAuth) -> None:
        self._resolver = resolver
        self._settings = settings

    def evaluate(self, envelope: Envelope, buffer: Buffer, headers: HeaderBlock) -> AuthenticationResults:
        """The results for one message. Never raises; all look-ups together take ``total_timeout`` at most.

        ``headers`` is the header block of ``buffer``. Without an answer from the DNS results are temporary errors.
        """
        if not self._settings.enabled:
            return results.unchecked("checks are switched off")
        deadline = time.monotonic() + self._settings.total_timeout
        if _is_loopback(envelope.client.address):
            return self._from_this_machine(envelope, buffer, headers, deadline)
        self._look_ahead(envelope, headers, deadline)
        spf_result = self._spf(envelope, deadline)
        dkim_results = self._dkim(envelope, buffer, headers, deadline)
        dmarc_result = self._dmarc(envelope, headers, spf_result, dkim_results, deadline)
        return AuthenticationResults(spf_result, dkim_results, dmarc_result)

    def _from_this_machine(
        self, envelope: Envelope, buffer: Buffer, headers: HeaderBlock, deadline: float
    ) -> AuthenticationResults:
        """Results for a client on loopback: a script, a proxy, a scanner in front of us.

        It has no address that a domain could list, so SPF would be wrong whatever it said: RFC 7208 section 2.5 has
        the check made where mail enters the organization. Without SPF, DMARC can find a pass but no failure.
        """
        dkim_results = self._dkim(envelope, buffer, headers, deadline)
        dmarc_result = DmarcResult(Outcome.NONE)
        if any(signature.outcome is Outcome.PASS for signature in dkim_results):
            found = self._dmarc(envelope, headers, SpfResult(Outcome.NONE), dkim_results, deadline)
            dmarc_result = found if found.outcome is Outcome.PASS else dmarc_result
        return AuthenticationResults(SpfResult(Outcome.NONE), dkim_results, dmarc_result, "client on this machine")

    def _look_ahead(self, envelope: Envelope, headers: HeaderBlock, deadline: float) -> None:
        try:
            dmarc.look_ahead(dmarc.author_domains(headers), self._resolver, deadline)
        except Exception:
            log.exception("mailauth.dmarc.failed", message=envelope.id)

    def _spf(self, envelope: Envelope, deadline: float) -> SpfResult:
        try:
            return spf.evaluate(envelope, self._resolver, deadline)
        except Exception:
            log.exception("mailauth.spf.failed", message=envelope.id)
            return SpfResult(Outcome.TEMPERROR, explanation="internal error")

    def _dkim(
        self, envelope: Envelope, buffer: Buffer, headers: HeaderBlock, deadline: float
    ) -> tuple[DkimResult, ...]:
        try:
            authors = dmarc.author_domains(headers)
            limit = self._settings.dkim_signatures
            return dkim_verify.evaluate(buffer, headers, self._resolver, deadline, limit, authors)
        except Exception:
            log.exception("mailauth.dkim.failed", message=envelope.id)
            return (DkimResult(Outcome.TEMPERROR, reason="internal error"),)

    def _dmarc(
        self,
        envelope: Envelope,
        headers: HeaderBlock,
        spf_result: SpfResult,
        dkim_results: tuple[DkimResult, ...],
        deadline: float,
    ) -> DmarcResult:
        try:
            return dmarc.evaluate(headers, spf_result, dkim_results, self._resolver, deadline)
        except Exception:
            log.exception("mailauth.dmarc.failed", message=envelope.id)
            return DmarcResult(Outcome.TEMPERROR)


def _is_loopback(address: str) -> bool:
    try:
        client = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    return client.is_loopback
