from __future__ import annotations

import errno
import itertools

import pytest

import smtp.ingress
import smtp.session
import smtp.spool
import smtp.submission
import smtp.wire.replies
from delivery.outcome import Disposition, Dispositions, Fate, Reason
from directory.api import DirectoryUnavailable
from directory.model import Outcome
from smtp import errors
from smtp.errors import disposition_reply, failure_reply, final_reply, localised, sign_in_reply
from smtp.wire.reply import Reply

PAIRS = list(itertools.product(Fate, Reason))


@pytest.mark.parametrize(("fate", "reason"), PAIRS)
def test_every_fate_and_reason_has_its_reply(fate, reason):
    reply = disposition_reply(Disposition("a@b", fate, reason))
    if fate is Fate.KEPT:
        assert reply.code == 250
    elif fate is Fate.LATER or reason in (Reason.NO_SPACE, Reason.UNAVAILABLE, Reason.RATE_LIMIT, Reason.NOT_SCANNED):
        assert 400 <= reply.code < 500
    elif reason in (Reason.DELIVERED, Reason.JUNKED, Reason.HELD, Reason.IMPERSONATION, Reason.QUEUED):
        assert reply.code == 451, "a contradiction is a bug, and bugs are temporary"
    else:
        assert 500 <= reply.code < 600
    assert reply.status.startswith(str(reply.code)[0] + ".")
    assert disposition_reply(Disposition("a@b", fate, reason, "words")).code == reply.code


def each(*fates):
    return Dispositions(tuple(Disposition(f"{n}@b", *one) for n, one in enumerate(fates)))


KEPT = (Fate.KEPT, Reason.DELIVERED)
SPAM = (Fate.REFUSED, Reason.SPAM)
UNKNOWN = (Fate.REFUSED, Reason.UNKNOWN_RECIPIENT)
LATER = (Fate.LATER, Reason.UNAVAILABLE)


@pytest.mark.parametrize(
    ("dispositions", "code"),
    [
        (each(KEPT), 250),
        (each(KEPT, SPAM, LATER), 250),
        (each(SPAM, KEPT), 250),
        (each(SPAM, SPAM), 550),
        (each(SPAM, UNKNOWN), 550),
        (each(LATER, LATER), 451),
        (each(SPAM, LATER), 451),
        (Dispositions((), Disposition("", *SPAM)), 550),
        (Dispositions((), Disposition("", *LATER)), 451),
        (Dispositions((), Disposition("", *KEPT)), 250),
    ],
)
def test_one_answer_for_all_recipients(dispositions, code):
    reply = final_reply(dispositions, "ID7")
    assert reply.code == code
    assert "id=ID7" in reply.text


def test_no_disposition_at_all_is_a_bug():
    with pytest.raises(ValueError):
        final_reply(Dispositions(()), "ID7")


def test_sign_in():
    refusals = {sign_in_reply(one) for one in Outcome if one not in (Outcome.OK, Outcome.UNAVAILABLE)}
    assert len(refusals) == 1
    assert refusals.pop().code == 535
    assert sign_in_reply(Outcome.OK).code == 235
    assert sign_in_reply(Outcome.UNAVAILABLE).code == 454


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (DirectoryUnavailable("x"), 451, "4.4.3"),
        (OSError(errno.ENOSPC, "x"), 452, "4.3.1"),
        (OSError(errno.EDQUOT, "x"), 452, "4.3.1"),
        (OSError(errno.EIO, "/secret"), 451, "4.3.0"),
        (RuntimeError("/secret"), 451, "4.3.0"),
    ],
)
def test_failures(error, code, status):
    reply = failure_reply(error)
    assert (reply.code, reply.status) == (code, status)
    assert "secret" not in reply.text


def replies():
    for module in (errors, smtp.wire.replies, smtp.session, smtp.spool, smtp.submission, smtp.ingress):
        yield from (one for one in vars(module).values() if isinstance(one, Reply))


def test_every_reply_has_a_status_of_its_class():
    for reply in replies():
        if reply.code != 354:
            assert reply.status.split(".")[0] == str(reply.code)[0], reply


def test_french_words_belong_to_replies_that_exist():
    own = {reply.text for reply in replies()} | {one.text for one in errors._REFUSED.values()}
    own |= {one.text for one in errors._LATER.values()} | {errors._SIGN_IN_LATER.text}
    own |= {"Syntax error: an address stands between < and >"}
    assert set(errors._FRENCH) <= own
    reply = Reply(535, "5.7.8", "Authentication credentials invalid")
    assert localised(reply, "en") is reply
    assert localised(reply, "fr").code == 535
    assert localised(reply, "fr").text.startswith("Identifiant")
