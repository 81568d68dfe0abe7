"""The rules, one theme a module. Importing this package registers them all."""

from __future__ import annotations

from spamfilter.registry import RULES
from spamfilter.rules import addresses, attachments, authentication, body, guard, headers, mime, subject, urls

__all__ = ["RULES", "addresses", "attachments", "authentication", "body", "guard", "headers", "mime", "subject", "urls"]
