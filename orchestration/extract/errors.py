"""What can go wrong with a source, as exceptions that name the provider, the request and the remedy."""

from __future__ import annotations


class ExtractError(Exception):
    """A request that yielded no usable rows.

    Attributes:
        provider: catalog key of the provider.
        request: what was asked for, in words (`series WALCL`); never a URL, keys can hide in one.
        problem: what happened.
        remedy: what a person can do about it.
        whole_provider: True when every other request to this provider would fail alike (a refused key).
        status: HTTP status of the answer, None when there was none or its body is what is wrong.
    """

    status: int | None = None

    def __init__(
        self, provider: str, request: str, problem: str, remedy: str = "", *, whole_provider: bool = False
    ) -> None:
        # Both may quote what a server or a file name said: no control characters, one line.
        self.provider, self.request, self.problem, self.remedy = provider, _plain(request), _plain(problem), remedy
        self.whole_provider = whole_provider
        super().__init__(f"{provider}: {self.request}: {self.problem}" + (f": {remedy}" if remedy else ""))


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


class TransientError(ExtractError):
    """Worth another try: connection trouble, 408, 429, 5xx.

    Attributes:
        retry_after: seconds the provider asks to wait, when it says so.
    """

    retry_after: float | None = None


class PermanentError(ExtractError):
    """Trying again cannot help: a refused key, an unknown series, a changed contract."""


class PayloadError(ExtractError):
    """An answer whose body is not what was asked for, whatever its status said."""
