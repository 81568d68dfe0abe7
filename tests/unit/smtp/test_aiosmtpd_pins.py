"""What the subclass relies on in aiosmtpd and asyncio, private names among it: a new release must pass here first."""

from __future__ import annotations

import asyncio
import inspect

import aiosmtpd
from aiosmtpd.smtp import SMTP

from smtp.conversation import Conversation
from smtp.server import _METHODS, SmtpServer
from smtp.session import VERBS


def test_release():
    assert aiosmtpd.__version__ == "1.4.6", "read its smtp.py again, then change this line"


def test_the_loop_is_started_by_connection_made_and_is_ours():
    source = inspect.getsource(SMTP.connection_made)
    assert "self._handle_client()" in source
    assert "self._handler_coroutine" in source
    assert "_reset_timeout" in source
    assert SmtpServer._handle_client is not SMTP._handle_client
    assert SmtpServer._reset_timeout is not SMTP._reset_timeout


def test_all_that_reads_or_answers_is_replaced():
    verbs = {name[5:] for name in dir(SMTP) if name.startswith("smtp_")}
    assert verbs <= {name.decode() for name in VERBS}
    for name in _METHODS:
        assert f"smtp_{name}" in vars(SmtpServer)
    for name in (
        "connection_lost",
        "eof_received",
        "connection_made",
        "data_received",
        "pause_writing",
        "resume_writing",
    ):
        assert name in vars(Conversation)


def test_table_and_methods_are_the_same():
    assert {name.encode() for name in _METHODS} == set(VERBS)


def test_attributes():
    async def make():
        loop = asyncio.get_running_loop()
        return SMTP(object(), hostname="h", ident="i", loop=loop)

    one = asyncio.run(make())
    assert one.hostname == "h"
    assert one.__ident__ == "i"
    assert one._handler_coroutine is None
    assert isinstance(one, asyncio.StreamReaderProtocol)
