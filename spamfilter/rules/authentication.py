"""Rules on what DNS and signatures say: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989).

A look-up that failed for the moment gives no point either way.
"""

from __future__ import annotations

from mailauth.results import AuthenticationResults, Outcome
from spamfilter.domains import site
from spamfilter.registry import Finding, rule
from spamfilter.views import Views


def _spf(views: Views) -> Outcome | None:
    return views.authentication.spf.outcome if views.authentication else None


def _dmarc(views: Views) -> Outcome | None:
    return views.authentication.dmarc.outcome if views.authentication else None


def _signed_by(results: AuthenticationResults | None) -> list[str]:
    """Domains of good signatures over the whole message."""
    return [r.domain.lower() for r in results.dkim if r.outcome is Outcome.PASS and r.whole] if results else []


@rule("SPF_PASS")
def spf_pass(views: Views) -> Finding:
    return _spf(views) is Outcome.PASS


@rule("SPF_FAIL")
def spf_fail(views: Views) -> Finding:
    return _spf(views) is Outcome.FAIL and views.authentication is not None and views.authentication.spf.domain[:60]


@rule("SPF_SOFTFAIL")
def spf_softfail(views: Views) -> Finding:
    return _spf(views) is Outcome.SOFTFAIL


@rule("SPF_NONE")
def spf_none(views: Views) -> Finding:
    return _spf(views) is Outcome.NONE


@rule("DKIM_PASS")
def dkim_pass(views: Views) -> Finding:
    return ", ".join(_signed_by(views.authentication)[:3])[:100]


@rule("DKIM_AUTHOR_PASS")
def dkim_author_pass(views: Views) -> Finding:
    """Signed by the site of the author."""
    return any(site(domain) == site(views.author_domain) for domain in _signed_by(views.authentication))


@rule("DKIM_FAIL")
def dkim_fail(views: Views) -> Finding:
    """Signatures, and none that holds."""
    results = views.authentication
    if results is None or _signed_by(results):
        return None
    return next((r.reason[:60] or r.domain[:60] for r in results.dkim if r.outcome is Outcome.FAIL), None)


@rule("DMARC_PASS")
def dmarc_pass(views: Views) -> Finding:
    return _dmarc(views) is Outcome.PASS


@rule("DMARC_FAIL")
def dmarc_fail(views: Views) -> Finding:
    return _dmarc(views) is Outcome.FAIL and views.author_domain[:60]


@rule("DMARC_FAIL_STRICT")
def dmarc_fail_strict(views: Views) -> Finding:
    """Failed, and the domain asks for quarantine or refusal."""
    results = views.authentication
    return (
        results is not None
        and results.dmarc.outcome is Outcome.FAIL
        and results.dmarc.policy in ("quarantine", "reject")
    )


@rule("NOTHING_AUTHENTICATED")
def nothing_authenticated(views: Views) -> Finding:
    results = views.authentication
    if results is None or _signed_by(results):
        return None
    quiet = (Outcome.NONE, Outcome.NEUTRAL, Outcome.FAIL, Outcome.SOFTFAIL, Outcome.PERMERROR)
    return results.spf.outcome in quiet and results.dmarc.outcome in quiet


@rule("OWN_DOMAIN_UNAUTHENTICATED")
def own_domain_unauthenticated(views: Views) -> Finding:
    """One of our domains in From, from outside, and nothing that says that it is ours."""
    results = views.authentication
    if results is None or views.evidence.envelope.client.account is not None or not views.is_ours(views.author_domain):
        return None
    waiting = (results.spf.outcome, results.dmarc.outcome)
    if Outcome.TEMPERROR in waiting or results.dmarc.outcome is Outcome.PASS:
        return None
    if results.spf.outcome is Outcome.PASS and site(results.spf.domain.lower()) == site(views.author_domain):
        return None
    signed = any(site(domain) == site(views.author_domain) for domain in _signed_by(results))
    return None if signed else views.author_domain[:60]
