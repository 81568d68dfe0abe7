from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from directory.model import Credentials
from directory.sasl import MECHANISMS, Challenge, Done, Failed, Plain, mechanism

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)


@given(login=words, password=words, authorize_as=st.one_of(st.just(""), words))
def test_plain_round_trip(login: str, password: str, authorize_as: str) -> None:
    message = "\0".join((authorize_as, login, password)).encode()
    assert Plain().step(message) == Done(Credentials(login, password, authorize_as))


@given(st.sampled_from(MECHANISMS), st.lists(st.one_of(st.none(), st.binary(max_size=400)), max_size=6))
def test_any_octets_give_a_step_and_the_exchange_ends(name: str, messages: list[bytes | None]) -> None:
    exchange = mechanism(name)
    assert exchange is not None
    ended = False
    for message in messages:
        step = exchange.step(message)
        assert isinstance(step, Challenge | Done | Failed)
        assert not (ended and not isinstance(step, Failed))
        if isinstance(step, Done):
            assert step.credentials.login
            assert step.credentials.password
            assert "\0" not in step.credentials.login + step.credentials.password + step.credentials.authorize_as
        ended = ended or not isinstance(step, Challenge)
