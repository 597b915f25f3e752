# expect: nods
from aob_schema.models import Spec


def count(spec: Spec) -> int:
    return len(spec.nods)
