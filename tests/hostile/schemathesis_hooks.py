"""What schemathesis must not do: delete the user whom it is, or replace that user's token."""

import os
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Spare one user."""
    spared = os.environ["ECG_SPARED_USER"]
    if isinstance(case.path_parameters, dict) and case.path_parameters.get("username") == spared:
        case.path_parameters["username"] = "nobody"
    if isinstance(case.body, dict) and case.body.get("username") == spared:
        case.body["username"] = "somebody"
