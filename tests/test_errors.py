"""The error tree is complete and documented, and has the reasons of the contract."""

from collections.abc import Iterator

import pytest

from exporter.docspace import errors
from exporter.docspace.errors import REASONS, PortalError, RateLimited, Refused

# As users' alerts know them.
CONTRACT = (
    "timeout connection tls credential unauthorized payment_required forbidden not_found "
    "rate_limited redirect server_error unexpected_status invalid_response too_large"
)


def leaves(kind: type[PortalError] = PortalError) -> Iterator[type[PortalError]]:
    children = kind.__subclasses__()
    if not children:
        yield kind
    for child in children:
        yield from leaves(child)


def errors_below(kind: type[PortalError]) -> Iterator[type[PortalError]]:
    for child in kind.__subclasses__():
        yield child
        yield from errors_below(child)


LEAVES = list(leaves())


def test_reasons_are_those_of_the_contract() -> None:
    assert " ".join(REASONS) == CONTRACT


def test_each_reason_belongs_to_one_class_and_internal_errors_are_not_counted() -> None:
    reasons = [error.reason for error in errors_below(PortalError) if "reason" in vars(error)]
    assert sorted(reasons) == sorted([*REASONS, "internal"])


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_each_leaf_has_a_hint_for_a_person(leaf: type[PortalError]) -> None:
    assert len(leaf.hint) > 20
    assert leaf.hint.isprintable()


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_each_leaf_says_what_it_means(leaf: type[PortalError]) -> None:
    assert leaf.__doc__


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_the_tree_in_the_docstring_shows_each_leaf(leaf: type[PortalError]) -> None:
    lines = [line.split() for line in (errors.__doc__ or "").splitlines()]
    reason = {"CutShort": "(not", "InternalError": "(not"}.get(leaf.__name__, leaf.reason)
    assert any(leaf.__name__ in words and reason in words for words in lines)


@pytest.mark.parametrize("inner", [PortalError, Refused])
def test_what_is_no_leaf_has_no_reason(inner: type[PortalError]) -> None:
    assert not hasattr(inner, "reason")


def test_rate_limited_knows_how_long() -> None:
    assert RateLimited("HTTP 429", 7.0).retry_after == 7.0
