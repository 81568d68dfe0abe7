"""What the operator is told of a configuration that can't be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import ConfigurationError, load


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    return str(caught.value).splitlines()


def test_a_broken_rule_names_line_and_setting(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[smtp]\nsubmissions_port = 0\n[imap]\ntls_port = 0\n[queue]\nsmarthost = "nohost"\n', "utf-8")
    assert problems(path)[-1].strip() == f"{path}:6: queue.smarthost: must be HOST:PORT, not 'nohost'"


def test_all_errors_at_once(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[site]\nhostnam = "x"\nlanguage = "de"\n[smtp]\nmx_port = 99999\n', "utf-8")
    text = "\n".join(problems(path))
    assert f"{path}:2: " in text
    assert "'hostname'" in text
    assert f"{path}:3: site.language: " in text
    assert f"{path}:5: smtp.mx_port: " in text
    assert "imap.tls_port: needs tls.certificate" in text


@pytest.mark.parametrize("octets", [None, b"[site\nx", b"\xff"])
def test_a_file_that_can_not_be_read_is_the_only_complaint(tmp_path, octets):
    path = tmp_path / "c.toml"
    if octets is not None:
        path.write_bytes(octets)
    text = "\n".join(problems(path))
    assert str(path) in text
    assert "tls.certificate" not in text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('report_phishing = "alerte@ailleurs.net"', "spam.report_phishing: must be an address in one of site.domains"),
        ('report_phishing = "alerte"', "spam.report_phishing: must be an address in one of site.domains"),
        ('report_ham = "abuse@ac-exemple.fr"', "spam.report_ham: 'abuse@ac-exemple.fr' is read by people"),
        (
            'report_phishing = "a@ac-exemple.fr"\nreport_ham = "A@ac-exemple.fr"',
            "spam.report_ham: must not be spam.report_phishing",
        ),
        ('hotline = "secours"', "spam.hotline: must be an address"),
    ],
)
def test_addresses_for_reports_are_ours_and_apart(tmp_path, written, said):
    path = tmp_path / "c.toml"
    path.write_text(f'[site]\ndomains = ["ac-exemple.fr"]\n[spam]\n{written}\n', "utf-8")
    assert said in "\n".join(problems(path))


def test_addresses_for_reports_that_are_right(tmp_path):
    path = tmp_path / "c.toml"
    wishes = 'report_phishing = "alerte@ac-exemple.fr"\nreport_ham = "faux@ac-exemple.fr"'
    path.write_text(f'[site]\ndomains = ["ac-exemple.fr"]\n[spam]\n{wishes}\njunk_from = 30\n', "utf-8")
    assert "spam.report" not in "\n".join(problems(path))


def test_what_comes_in_must_fit_into_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[store]\nmessage_size = 20971520\n")
    text = "\n".join(problems(path))
    for place in ("smtp.mx_message_size", "smtp.submission_message_size", "imap.append_limit"):
        assert f"{place}: must be 1 MiB below store.message_size" in text
