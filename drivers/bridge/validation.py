"""Messages against the published JSON Schema, for `strict` runs."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from .failures import ProtocolViolation


class Validator:
    """Validates the parameters and results of calls; needs the package jsonschema."""

    def __init__(self) -> None:
        """Raises `ValueError` when jsonschema is not installed."""
        try:
            import jsonschema
        except ImportError:
            raise ValueError(
                "strict validation needs the package jsonschema: pip install jsonschema, or leave strict out"
            ) from None
        schema = json.loads(files(__package__).joinpath("protocol.schema.json").read_text(encoding="utf-8"))

        @cache
        def validator(definition: str) -> Any:
            return jsonschema.Draft202012Validator(
                {"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"}
            )

        self._validator = validator

    def params(self, method: str, params: Any) -> None:
        """Raises `ProtocolViolation` when these are not the parameters of the method."""
        self._check(f"{method}.params", f"the call of {method} does not fit the schema", params)

    def result(self, method: str, result: Any) -> None:
        """Raises `ProtocolViolation` when this is not a result of the method."""
        self._check(f"{method}.result", f"the result of {method} does not fit the schema", result)

    def _check(self, definition: str, complaint: str, value: Any) -> None:
        error = next(self._validator(definition).iter_errors(value), None)
        if error is None:
            return
        while error.context:  # the alternative that came closest says more than "none of them"
            error = max(error.context, key=lambda one: len(one.absolute_path))
        place = ".".join(map(str, error.absolute_path)) or "it"
        raise ProtocolViolation(f"{complaint}: {place}: {error.message}")
