from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailauth import dkim_verify
from mailauth.dkim_sign import Signer
from mailauth.resolver import DnsResolver
from mailauth.results import DkimResult, Outcome
from message.headers import parse_headers

# RFC 8463 appendix A.
RFC_8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
RFC_8463_KEYS = {
    "brisbane._domainkey.football.example.com": [
        "TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ],
    "test._domainkey.football.example.com": [
        "TXT v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jL"
        "QiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kr"
        "yOTIKT+l/K4w3QIDAQAB"
    ],
}

MESSAGE = (
    b"From: Anna <anna@example.org>\r\nTo: marie@ici.example\r\nSubject: Bonjour\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n\r\n"
    b"Salut \t Marie,\r\n\r\n\xc3\xa0 demain\r\n\r\n"
)
NAME = "mail._domainkey.example.org"


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


def public_text(key) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@pytest.fixture
def sign(rsa_key, server, settings, tmp_path):
    """Sign a message; the key is published."""

    def sign(message=MESSAGE, key=rsa_key, record="v=DKIM1; k=rsa; p={p}"):
        path = tmp_path / "key.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        server.zone = {NAME: ["TXT " + record.format(p=public_text(key))]}
        return Signer(replace(settings, dkim_key=path)).sign(message, "example.org") + message

    return sign


@pytest.fixture
def verify(settings, deadline):
    def verify(message, limit=10):
        resolver = DnsResolver(settings)
        return dkim_verify.evaluate(message, parse_headers(message), resolver, deadline, limit)

    return verify


def outcomes(results: tuple[DkimResult, ...]) -> list[Outcome]:
    return [result.outcome for result in results]


def test_the_examples_of_rfc_8463(server, verify):
    server.zone = dict(RFC_8463_KEYS)
    results = verify(RFC_8463)
    assert outcomes(results) == [Outcome.PASS, Outcome.PASS]
    assert [(one.domain, one.selector) for one in results] == [
        ("football.example.com", "brisbane"),
        ("football.example.com", "test"),
    ]


def test_the_examples_of_rfc_8463_with_another_word(server, verify):
    server.zone = dict(RFC_8463_KEYS)
    assert outcomes(verify(RFC_8463.replace(b"hungry", b"thirsty"))) == [Outcome.FAIL, Outcome.FAIL]
    assert outcomes(verify(RFC_8463.replace(b"dinner", b"supper"))) == [Outcome.FAIL, Outcome.FAIL]


def test_a_message_without_signature_costs_nothing(server, verify):
    assert verify(MESSAGE) == ()
    assert server.asked == []


def test_what_we_sign_verifies(sign, verify):
    assert outcomes(verify(sign())) == [Outcome.PASS]


def test_ed25519_too(server, settings, tmp_path, verify):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    server.zone = {NAME: [f"TXT v=DKIM1; k=ed25519; p={public}"]}
    signed = Signer(replace(settings, dkim_key=path)).sign(MESSAGE, "example.org") + MESSAGE
    assert outcomes(verify(signed)) == [Outcome.PASS]
    assert outcomes(verify(signed.replace(b"Bonjour", b"Bonsoir"))) == [Outcome.FAIL]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Salut", b"salut"),
        (b"Subject: Bonjour", b"Subject: Bonsoir"),
        (b"Subject: Bonjour", b"Subject: Bonjour\r\nSubject: Autre"),
        (b"From: Anna", b"From: Evil <e@evil.example>\r\nFrom: Anna"),
        (b"\r\n\r\nSalut", b"\r\nContent-Type: text/html\r\n\r\nSalut"),
        (b"\r\n\r\nSalut", b"\r\nReply-To: e@evil.example\r\n\r\nSalut"),
        (b"demain\r\n", b"demain\r\nou jamais\r\n"),
    ],
)
def test_changed_messages_fail(sign, verify, old, new):
    assert outcomes(verify(sign().replace(old, new))) == [Outcome.FAIL]


def test_relaxed_means_that_blanks_and_other_fields_may_change(sign, verify):
    signed = sign().replace(b"Salut \t Marie,\r\n", b"Salut  Marie,  \r\n").replace(b"Subject: ", b"subject :\r\n   ")
    assert outcomes(verify(b"Received: from a by b; now\r\n" + signed + b"\r\n")) == [Outcome.PASS]


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        ("p={p}", Outcome.PASS),
        ("v=DKIM1; h=sha256; s=email; p={p}", Outcome.PASS),
        ("v=DKIM1; t=y; p={p}", Outcome.PASS),
        ("v=DKIM1; p=", Outcome.PERMERROR),
        ("v=DKIM2; p={p}", Outcome.PERMERROR),
        ("v=DKIM1; k=ed25519; p={p}", Outcome.PERMERROR),
        ("v=DKIM1; h=sha1; p={p}", Outcome.PERMERROR),
        ("v=DKIM1; s=tlsrpt; p={p}", Outcome.PERMERROR),
        ("v=DKIM1; p=AAAA", Outcome.PERMERROR),
        ("v=DKIM1; p=%%%", Outcome.PERMERROR),
        ("v=DKIM1", Outcome.PERMERROR),
        ("nonsense", Outcome.PERMERROR),
    ],
)
def test_key_records(sign, verify, record, outcome):
    assert outcomes(verify(sign(record=record))) == [outcome]


def test_a_failure_while_testing_is_neutral(sign, verify):
    signed = sign(record="v=DKIM1; t=y; p={p}")
    assert outcomes(verify(signed.replace(b"Salut", b"salut"))) == [Outcome.NEUTRAL]


def test_no_key_and_no_dns(sign, server, verify):
    signed = sign()
    server.zone = {}
    assert outcomes(verify(signed)) == [Outcome.PERMERROR]
    server.broken.add(NAME)
    assert outcomes(verify(signed)) == [Outcome.TEMPERROR]


def test_a_small_key_is_against_our_policy(server, sign, verify):
    signed = sign()
    small = rsa.RSAPublicNumbers(65537, (1 << 767) + 33).public_key()
    der = small.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    server.zone = {NAME: ["TXT v=DKIM1; p=" + base64.b64encode(der).decode()]}
    (result,) = verify(signed)
    assert result.outcome is Outcome.POLICY
    assert "768 bits" in result.reason


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        (rb"v=1;", b"", Outcome.PERMERROR),
        (rb"v=1;", b"v=2;", Outcome.PERMERROR),
        (rb"a=rsa-sha256", b"a=rsa-sha1", Outcome.POLICY),
        (rb"a=rsa-sha256", b"a=rsa-md5", Outcome.PERMERROR),
        (rb"d=example.org", b"d=", Outcome.PERMERROR),
        (rb"d=example.org", b"d=a b;c.example", Outcome.PERMERROR),
        (rb"s=mail", b"s=\xc3\xa9", Outcome.PERMERROR),
        (rb"d=example.org", b"d=example.org; i=@other.example", Outcome.PERMERROR),
        (rb"d=example.org", b"d=example.org; i=example.org", Outcome.PERMERROR),
        (rb"d=example.org", b"d=example.org; x=1000", Outcome.FAIL),
        (rb"d=example.org", b"d=example.org; x=" + b"9" * 100, Outcome.PERMERROR),
        (rb"d=example.org", b"d=example.org; l=x", Outcome.PERMERROR),
        (rb"t=[0-9]+", b"t=99999999999", Outcome.FAIL),
        (rb"h=from : ", b"h=", Outcome.FAIL),
        (rb"h=[^;]*;", b"h=to : subject;", Outcome.PERMERROR),
        (rb"h=[^;]*;", b"h=" + b":".join([b"from"] * 300) + b";", Outcome.PERMERROR),
        (rb"c=relaxed/relaxed", b"c=none/none", Outcome.PERMERROR),
        (rb"c=relaxed/relaxed", b"c=simple/simple", Outcome.FAIL),
        (rb"bh=[^;]*;", b"bh=AAAA;", Outcome.FAIL),
        (rb" b=.*?\r\nFrom", b" b=\r\nFrom", Outcome.PERMERROR),
        (rb" b=.*?\r\nFrom", b" b=AAAA\r\nFrom", Outcome.FAIL),
        (rb"d=example.org", b"d=example.org; d=example.org", Outcome.PERMERROR),
        (rb"v=1", b"=;=;" + b"x" * 20000, Outcome.PERMERROR),
    ],
)
def test_odd_signatures(sign, verify, old, new, outcome):
    changed, count = re.subn(old, lambda _: new, sign(), count=1, flags=re.DOTALL)
    assert count == 1
    assert outcomes(verify(changed)) == [outcome]


def hand_made(key, message: bytes, **tags: bytes) -> bytes:
    """The message with a signature that is put together here, from RFC 6376 section 3.7 alone (simple, no folds)."""
    headers, _, body = message.partition(b"\r\n\r\n")
    author = headers.split(b"\r\n")[0]
    length = int(tags.get("l", b"%d" % len(body)))
    whole = {"v": b"1", "a": b"rsa-sha256", "d": b"example.org", "s": b"mail", "h": b"from", **tags}
    whole["bh"] = base64.b64encode(hashlib.sha256(body[:length]).digest())
    field = b"DKIM-Signature: " + b"; ".join(name.encode() + b"=" + value for name, value in whole.items()) + b"; b="
    signature = key.sign(author + b"\r\n" + field, PKCS1v15(), SHA256())
    return field + base64.b64encode(signature) + b"\r\n" + message


SIMPLE = b"From: anna@example.org\r\nSubject: x\r\n\r\nSalut\r\n"


def test_signatures_made_by_hand(rsa_key, server, verify):
    server.zone = {NAME: ["TXT p=" + public_text(rsa_key)]}
    now = int(time.time())
    assert outcomes(verify(hand_made(rsa_key, SIMPLE))) == [Outcome.PASS]
    assert outcomes(verify(hand_made(rsa_key, SIMPLE, t=b"%d" % now, x=b"%d" % (now + 60)))) == [Outcome.PASS]
    assert outcomes(verify(hand_made(rsa_key, SIMPLE, t=b"%d" % (now - 9000), x=b"%d" % (now - 3600)))) == [
        Outcome.FAIL
    ]
    assert outcomes(verify(hand_made(rsa_key, SIMPLE, i=b"x@sub.example.org"))) == [Outcome.PASS]


def test_a_key_for_the_domain_alone(rsa_key, server, verify):
    server.zone = {NAME: ["TXT t=s; p=" + public_text(rsa_key)]}
    assert outcomes(verify(hand_made(rsa_key, SIMPLE, i=b"x@example.org"))) == [Outcome.PASS]
    assert outcomes(verify(hand_made(rsa_key, SIMPLE, i=b"x@sub.example.org"))) == [Outcome.PERMERROR]


def test_a_signature_of_a_part_of_the_body_is_not_whole(rsa_key, server, verify):
    server.zone = {NAME: ["TXT p=" + public_text(rsa_key)]}
    (result,) = verify(hand_made(rsa_key, SIMPLE, l=b"7") + b"buy here\r\n")
    assert result.outcome is Outcome.PASS
    assert not result.whole


def test_at_most_ten_signatures_are_looked_at(sign, verify):
    signed = sign()
    field = signed[: signed.index(b"From: Anna")]
    assert outcomes(verify(field * 14 + signed)) == [Outcome.PASS] * 10
    assert outcomes(verify(field * 14 + signed, limit=2)) == [Outcome.PASS] * 2


def test_a_passed_deadline_is_temporary(sign, settings, server):
    signed = sign()
    results = dkim_verify.evaluate(signed, parse_headers(signed), DnsResolver(settings), time.monotonic() - 1, 10)
    assert outcomes(results) == [Outcome.TEMPERROR]
    assert server.asked == []


@pytest.mark.parametrize(
    "body",
    [b" " * 2_000_000, b"\r\n" * 1_000_000, b" \r\n" * 500_000, b"\t " * 1_000_000 + b"x", b"x \t" * 500_000],
    ids=["blanks", "lines", "blank lines", "blanks and a letter", "words"],
)
def test_hostile_bodies_take_bounded_time(sign, verify, body):
    message = MESSAGE + body + b"\r\n"
    started = time.process_time()
    assert outcomes(verify(sign(message))) == [Outcome.PASS]
    assert time.process_time() - started < 10


@pytest.mark.parametrize("blanks", [b" " * 15000, b"\r\n " * 5000, b"b = " * 3700, b"a : " * 3700])
@pytest.mark.parametrize("tag", [b"z=", b"h=from:", b"b", b"bh=", b"i="])
def test_hostile_signatures_take_bounded_time(sign, verify, blanks, tag):
    signed = sign()
    evil = signed.replace(b"v=1;", b"v=1; " + tag + blanks + b"!;", 1)
    started = time.process_time()
    assert outcomes(verify(evil)) != [Outcome.PASS]
    assert time.process_time() - started < 2
