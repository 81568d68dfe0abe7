from __future__ import annotations

import pytest

from mailauth import dmarc
from mailauth.results import DkimResult, DmarcResult, Outcome, SpfResult
from message.headers import parse_headers

NOTHING = SpfResult(Outcome.NONE)


def signed(domain: str, outcome: Outcome = Outcome.PASS, whole: bool = True) -> DkimResult:
    return DkimResult(outcome, domain, "s", "", whole)


@pytest.fixture
def check(resolver, deadline):
    def check(author: str, spf: SpfResult = NOTHING, *dkim: DkimResult) -> DmarcResult:
        headers = parse_headers(b"From: " + author.encode() + b"\r\n\r\n")
        return dmarc.evaluate(headers, spf, dkim, resolver, deadline)

    return check


def passed(domain: str) -> SpfResult:
    return SpfResult(Outcome.PASS, domain)


def test_no_record_no_result(server, check):
    assert check("a@sub.example.org", passed("example.org")) == DmarcResult(Outcome.NONE, "sub.example.org")
    assert server.asked == [("_dmarc.sub.example.org", "TXT"), ("_dmarc.example.org", "TXT"), ("_dmarc.org", "TXT")]


@pytest.mark.parametrize(
    ("spf", "dkim", "outcome"),
    [
        (NOTHING, (), Outcome.FAIL),
        (passed("example.org"), (), Outcome.PASS),
        (passed("bounce.example.org"), (), Outcome.PASS),
        (passed("other.example"), (), Outcome.FAIL),
        (passed("evilexample.org"), (), Outcome.FAIL),
        (SpfResult(Outcome.SOFTFAIL, "example.org"), (), Outcome.FAIL),
        (NOTHING, (signed("example.org"),), Outcome.PASS),
        (NOTHING, (signed("list.example"), signed("news.example.org")), Outcome.PASS),
        (NOTHING, (signed("example.org", Outcome.FAIL),), Outcome.FAIL),
        (NOTHING, (signed("example.org", Outcome.POLICY),), Outcome.FAIL),
        (NOTHING, (signed("example.org", whole=False),), Outcome.FAIL),
        (NOTHING, (signed("org"),), Outcome.FAIL),
        (SpfResult(Outcome.TEMPERROR, "example.org"), (), Outcome.TEMPERROR),
        (SpfResult(Outcome.TEMPERROR, "other.example"), (), Outcome.FAIL),
        (NOTHING, (signed("example.org", Outcome.TEMPERROR),), Outcome.TEMPERROR),
        (SpfResult(Outcome.TEMPERROR, "example.org"), (signed("example.org"),), Outcome.PASS),
    ],
)
def test_alignment(server, check, spf, dkim, outcome):
    server.zone = {"_dmarc.example.org": ["TXT v=DMARC1; p=reject"]}
    assert check("Anna <anna@example.org>", spf, *dkim) == DmarcResult(outcome, "example.org", "reject")


def test_strict_alignment(server, check):
    server.zone = {"_dmarc.example.org": ["TXT v=DMARC1; p=reject; adkim=s; aspf=S"]}
    assert check("a@example.org", passed("sub.example.org"), signed("sub.example.org")).outcome is Outcome.FAIL
    assert check("a@example.org", passed("example.org")).outcome is Outcome.PASS
    assert check("a@example.org", NOTHING, signed("example.org")).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("author", "record", "policy"),
    [
        ("example.org", "v=DMARC1; p=reject; sp=none", "reject"),
        ("example.org", "v=DMARC1; p=quarantine", "quarantine"),
        ("example.org", "v=DMARC1; p=Reject ;", "reject"),
        ("example.org", "v=DMARC1;rua=mailto:x@example.org;p=reject", "reject"),
        ("example.org", "v=DMARC1", "none"),
        ("example.org", "v=DMARC1; p=nonsense", "none"),
        ("example.org", "v=DMARC1; p=reject; t=y", "quarantine"),
        ("example.org", "v=DMARC1; p=quarantine; t=y", "none"),
        ("example.org", "v=DMARC1; p=none; t=y", "none"),
        ("here.example.org", "v=DMARC1; p=reject", "reject"),
        ("here.example.org", "v=DMARC1; p=reject; sp=none", "none"),
        ("here.example.org", "v=DMARC1; p=none; sp=none; np=reject", "none"),
        ("gone.example.org", "v=DMARC1; p=none; sp=none; np=reject", "reject"),
        ("gone.example.org", "v=DMARC1; p=none; sp=quarantine", "quarantine"),
    ],
)
def test_policies(server, check, author, record, policy):
    server.zone = {"_dmarc.example.org": [f"TXT {record}"], "here.example.org": ["TXT hello"]}
    assert check(f"a@{author}") == DmarcResult(Outcome.FAIL, author, policy)


@pytest.mark.parametrize(
    "records",
    [
        ["v=DMARC1; p=reject", "v=DMARC1; p=none"],
        ["v=DMARC2; p=reject"],
        ["v=dmarc1; p=reject"],
        ["p=reject; v=DMARC1"],
        ["V=DMARC1; p=reject"],
        ["v=DMARC1; p=reject;" + "x" * 5000],
    ],
)
def test_what_is_no_record(server, check, records):
    server.truncating = True
    server.zone = {"_dmarc.example.org": [f"TXT {record}" for record in records]}
    assert check("a@example.org").outcome is Outcome.NONE


def test_other_texts_beside_the_record_do_no_harm(server, check):
    server.zone = {"_dmarc.example.org": ["TXT hello", "TXT v=DMARC1; p=reject"]}
    assert check("a@example.org").policy == "reject"


def test_a_walk_takes_eight_queries(server, check):
    author = ".".join("abcdefghijkl") + ".example.org"
    assert check(f"x@{author}").outcome is Outcome.NONE
    assert [name for name, _ in server.asked] == [
        f"_dmarc.{author}",
        "_dmarc.h.i.j.k.l.example.org",
        "_dmarc.i.j.k.l.example.org",
        "_dmarc.j.k.l.example.org",
        "_dmarc.k.l.example.org",
        "_dmarc.l.example.org",
        "_dmarc.example.org",
        "_dmarc.org",
    ]


def test_the_organization_is_the_highest_record(server, check):
    server.zone = {
        "_dmarc.a.b.example.org": ["TXT v=DMARC1; p=none"],
        "_dmarc.example.org": ["TXT v=DMARC1; p=reject"],
    }
    result = check("x@a.b.example.org", passed("c.example.org"))
    assert result == DmarcResult(Outcome.PASS, "a.b.example.org", "none")


def test_psd_n_ends_the_walk(server, check):
    server.zone = {
        "_dmarc.school.example.org": ["TXT v=DMARC1; p=reject; psd=n"],
        "_dmarc.example.org": ["TXT v=DMARC1; p=none"],
    }
    assert check("x@a.school.example.org", passed("example.org")).outcome is Outcome.FAIL
    assert check("x@a.school.example.org", passed("b.school.example.org")).outcome is Outcome.PASS
    assert ("_dmarc.example.org", "TXT") not in server.asked
    assert check("x@a.school.example.org").policy == "reject"


def test_psd_y_puts_the_organization_one_label_below(server, check):
    server.zone = {"_dmarc.gov.example": ["TXT v=DMARC1; p=reject; psd=y"]}
    assert check("x@a.tax.gov.example", passed("b.tax.gov.example")).outcome is Outcome.PASS
    assert check("x@a.tax.gov.example", passed("b.police.gov.example")) == DmarcResult(
        Outcome.FAIL, "a.tax.gov.example", "reject"
    )


def test_a_public_suffix_that_sends_mail_itself(server, check):
    server.zone = {
        "_dmarc.gov.example": ["TXT v=DMARC1; p=reject; psd=y"],
        "_dmarc.example": ["TXT v=DMARC1; p=none"],
    }
    assert check("x@gov.example", passed("gov.example")).outcome is Outcome.PASS
    assert check("x@gov.example", passed("other.example")).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("authors", "outcome", "policy"),
    [
        (b"From: a@good.example, e@bank.example\r\n", Outcome.FAIL, "reject"),
        (b"From: a@good.example\r\nFrom: e@bank.example\r\n", Outcome.FAIL, "reject"),
        (b"From: e@bank.example\r\nFROM : a@good.example\r\n", Outcome.FAIL, "reject"),
        (b"From: team: a@good.example, e@bank.example;\r\n", Outcome.FAIL, "reject"),
        (b"From: a@good.example, b@plain.example\r\n", Outcome.NONE, "none"),
        (b"From: a@good.example, b@good.example\r\n", Outcome.PASS, "quarantine"),
        (b"From: a@weak.example, e@bank.example\r\n", Outcome.FAIL, "reject"),
        (b"From: " + b", ".join(b"a@n%d.example" % i for i in range(4)) + b"\r\n", Outcome.FAIL, "reject"),
        (b"From: a@good.example\r\n" * 20, Outcome.PASS, "quarantine"),
        (b"From: a@good.example" + b" " * 40000 + b"\r\n", Outcome.FAIL, "reject"),
        (b"From: nobody\r\n", Outcome.PERMERROR, "none"),
        (b"Subject: x\r\n", Outcome.NONE, "none"),
    ],
)
def test_several_authors(server, resolver, deadline, authors, outcome, policy):
    server.zone = {
        "_dmarc.good.example": ["TXT v=DMARC1; p=quarantine"],
        "_dmarc.bank.example": ["TXT v=DMARC1; p=reject"],
        "_dmarc.weak.example": ["TXT v=DMARC1; p=none"],
    }
    result = dmarc.evaluate(parse_headers(authors + b"\r\n"), passed("good.example"), (), resolver, deadline)
    assert (result.outcome, result.policy) == (outcome, policy)


def test_a_broken_dns_is_temporary(server, check):
    server.broken.add("_dmarc.example.org")
    assert check("a@sub.example.org").outcome is Outcome.TEMPERROR
    server.zone = {"_dmarc.other.example": ["TXT v=DMARC1; p=reject"]}
    server.broken.add("_dmarc.b.other.example")
    assert check("a@other.example", passed("b.other.example")).outcome is Outcome.TEMPERROR


def test_domains_with_accents(server, check):
    server.zone = {"_dmarc.xn--acadmie-eya.example": ["TXT v=DMARC1; p=reject"]}
    assert check("a@académie.example", passed("xn--acadmie-eya.example")).outcome is Outcome.PASS
