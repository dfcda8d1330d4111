"""What can go wrong with an external program apart from its answers: outcomes of their own.

None of them is an `OSError` or a `Refused`, so no clause can take one for a refusal.
"""

from __future__ import annotations

SHOWN = 20
"""Lines of stderr in the text of a failure; the exception keeps all that was kept."""


class EngineFailure(Exception):
    """An external engine did not give an outcome.

    `reason` is one sentence, `stderr` the end of what the program logged.
    """

    def __init__(self, reason: str, stderr: str = "") -> None:
        super().__init__(reason, stderr)
        self.reason = reason
        self.stderr = stderr

    def __str__(self) -> str:
        last = self.stderr.strip().splitlines()[-SHOWN:]
        if not last:
            return f"{self.reason}; stderr is empty"
        return "\n".join([f"{self.reason}; the end of its stderr:", *(f"    {line}" for line in last)])


class EngineCrashed(EngineFailure):
    """The program ended, or could not be started."""


class EngineHung(EngineFailure):
    """The program did not answer, or did not read, in time."""


class ProtocolViolation(EngineFailure):
    """The program sent what the protocol does not allow."""


class EngineFault(EngineFailure):
    """The program answered with a JSON-RPC `error`: it failed in a way that has no errno.  Source:
    protocol §2."""

    def __init__(self, reason: str, stderr: str = "", code: int = 0) -> None:
        super().__init__(reason, stderr)
        self.code = code
