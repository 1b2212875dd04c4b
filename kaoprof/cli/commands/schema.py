"""`kaoprof schema`: the JSON Schema of specs, for editors."""

import json
import sys


def schema() -> None:
    """Prints the JSON Schema of specs, for editors.

    With it, an editor completes and checks a spec while you type.
    """
    from kaoprof.catalog import OPERATORS
    from kaoprof.specs import json_schema

    sys.stdout.write(json.dumps(json_schema(OPERATORS), indent=2) + "\n")
