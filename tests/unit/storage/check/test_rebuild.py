"""The index made again from the tree."""

from __future__ import annotations

from sqlalchemy import delete, update

from storage import tables
from storage.attic import Attic
from storage.check.rebuild import Rebuilder, Rebuilt
from storage.model import FlagChange, System
from storage.naming import Naming
from storage.restore import TimeMachine
from tests.unit.storage.check.conftest import House

LONG = "Ann\u00e9e scolaire " + "\u00e9" * 100


def rebuild(house: House, key: str = "marie.durand") -> Rebuilt:
    return Rebuilder(house.database, house.blobs, house.doorbell).account(key)


def lose_the_database(house: House) -> None:
    with house.database.write() as connection:
        for table in (tables.message, tables.content, tables.expunged, tables.removed, tables.mailbox, tables.account):
            connection.execute(delete(table))
    house.store._numbers.clear()


def test_everything_that_the_tree_tells_comes_back(house: House) -> None:
    house.store.create(house.marie, "Projets.2026/À faire\\vite")
    house.store.create(house.marie, f"{LONG}/{LONG}")
    for n in range(12):
        house.append(f"m{n}", internal_date=1_700_000_000 + n * 86_400, system=int(System.SEEN) * (n % 2))
    house.append("loin", "Projets.2026/À faire\\vite", system=int(System.FLAGGED | System.DRAFT))
    house.append("long", f"{LONG}/{LONG}")
    before = {box.name: box for box in house.store.mailboxes(house.marie)}
    octets = {uid: house.octets(uid) for uid in range(1, 13)}
    lose_the_database(house)
    assert list(house.blobs.accounts()) == ["marie.durand"]
    result = rebuild(house)
    assert (result.messages, result.passed_over) == (14, [])
    house.marie = house.store.open_account("marie.durand")
    after = {box.name: box for box in house.store.mailboxes(house.marie)}
    assert set(after) >= {name for name, box in before.items() if box.messages}
    for name, box in after.items():
        assert box.uidvalidity > max(one.uidvalidity for one in before.values()) - len(before)
        assert (box.messages, box.unseen, box.size) == (before[name].messages, before[name].unseen, before[name].size)
    assert {uid: house.octets(uid) for uid in range(1, 13)} == octets
    row = house.row(3)
    assert row is not None
    assert (row.internal_date, row.system) == (1_700_000_000 + 2 * 86_400, 0)
    assert house.verify() == []


def test_an_index_that_is_there_is_replaced_and_no_number_is_used_twice(house: House) -> None:
    for n in range(3):
        house.append(f"m{n}")
    box = house.store.mailbox(house.marie, "INBOX")
    house.store.store_flags(house.marie, box.id, [2], FlagChange.ADD, int(System.DELETED), ())
    house.store.expunge(house.marie, box.id)
    # What was expunged before the rebuild does not come back.
    house.store.sweep(2**40)
    view = house.store.view(house.marie, box.id)
    rebuild(house)
    now = house.store.mailbox(house.marie, "INBOX")
    assert now.uidvalidity > box.uidvalidity
    assert now.highest_modseq > view.highest_modseq
    # Numbers go on, for what is kept of removed messages names them.
    assert house.store.view(house.marie, box.id).uids == [4, 5]
    assert house.store.quota(house.marie).used_messages == 2
    # Once more, as after a run that was cut off.
    rebuild(house)
    assert house.store.mailbox(house.marie, "INBOX").uidvalidity > now.uidvalidity
    assert house.verify() == []


def test_what_comes_meanwhile_is_there_once(house: House) -> None:
    house.append("un")
    real = house.blobs.bodies
    came: list[int] = []

    def bodies(place: object, *, retired: bool = False) -> object:
        if not came:
            came.append(house.append("pendant"))
        return real(place, retired=retired)  # type: ignore[arg-type]

    house.blobs.bodies = bodies  # type: ignore[method-assign,assignment]
    rebuild(house)
    house.blobs.bodies = real  # type: ignore[method-assign]
    box = house.store.mailbox(house.marie, "INBOX")
    assert box.messages == 2
    assert house.verify() == []


def test_folders_that_can_be_no_mailbox_are_told(house: House) -> None:
    uid = house.append("un")
    (house.path(uid).parents[1] / ".a..b" / "cur").mkdir(parents=True)
    result = rebuild(house)
    assert result.passed_over == ["marie.durand: the folder .a..b has no name that a mailbox can have"]


def expunged(house: House, *uids: int, mailbox: str = "INBOX") -> None:
    box = house.store.mailbox(house.marie, mailbox).id
    house.store.store_flags(house.marie, box, uids, FlagChange.ADD, int(System.DELETED), ())
    house.store.expunge(house.marie, box, uids)
    Naming(house.database, house.blobs).catch_up()


def restored(house: House, moment: float) -> None:
    machine = TimeMachine(house.database, house.blobs, house.store, house.doorbell)
    plan = machine.plan(house.marie, int(moment))
    machine.apply(plan)
    assert plan.refused == []


def subjects(house: House, mailbox: str = "INBOX") -> list[str]:
    box = house.store.mailbox(house.marie, mailbox).id
    return sorted(
        house.octets(uid, mailbox).split(b"\r\n\r\n")[1].strip().decode()
        for uid in house.store.view(house.marie, box).uids
    )


def test_what_was_removed_before_can_still_be_brought_back(house: House) -> None:
    for n in range(4):
        house.append(f"m{n}")
    house.store.create(house.marie, "Projets")
    house.append("projet", "Projets")
    with house.database.write() as connection:
        for column in (tables.message.c.saved_at, tables.mailbox_before.c.at):
            connection.execute(update(column.table).values({column: 1_000}))
    expunged(house, 2)
    house.store.move(
        house.marie, house.store.mailbox(house.marie, "INBOX").id, [3], house.store.mailbox(house.marie, "Archive").id
    )
    house.store.delete(house.marie, "Projets")
    rebuild(house)
    assert subjects(house) == ["m0", "m3"]
    assert house.verify() == []
    restored(house, 2_000)
    assert subjects(house) == ["m0", "m1", "m2", "m3"]
    assert subjects(house, "Projets") == ["projet"]
    # What was moved goes back, and is there once.
    assert subjects(house, "Archive") == []
    assert house.verify() == []


def test_removed_messages_of_a_lost_database_are_known_by_their_bodies(house: House) -> None:
    for n in range(3):
        house.append(f"m{n}", internal_date=1_000)
    house.append("loin", "Archive", internal_date=1_000)
    expunged(house, 1)
    expunged(house, 1, mailbox="Archive")
    Attic(house.database, house.blobs).shelve(2**40)
    expunged(house, 2)
    lose_the_database(house)
    assert rebuild(house).removed == 3
    house.marie = house.store.open_account("marie.durand")
    assert subjects(house) == ["m2"]
    assert house.verify() == []
    with house.database.write() as connection:
        connection.execute(update(tables.mailbox_before).values(at=1_000))
        connection.execute(update(tables.message).values(saved_at=1_000))
    restored(house, 2_000)
    # The attic does not tell of which mailbox a body was.
    assert subjects(house) == ["loin", "m0", "m1", "m2"]
    assert house.verify() == []
    assert rebuild(house).removed == 0
