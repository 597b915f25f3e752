# expect: nods
from aob_schema.models import Spec

spec = Spec(nods=[], nodes=[])
