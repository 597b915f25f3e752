//! 10xx reading a file; 11xx expressions.

use super::entries;

entries! {
    YAML_SYNTAX "AOB1001" "the file is not well-formed YAML" "A workflow file is YAML 1.2 or JSON." "Mend the syntax at the place shown."
    YAML_AMBIGUOUS "AOB1002" "YAML 1.1 and YAML 1.2 read this plain scalar differently" "What two readers understand differently is refused, so that kubectl and aob cannot disagree about a file." "Quote it if a string is meant; write true, false, or a plain decimal number otherwise."
    DUPLICATE_KEY "AOB1003" "a mapping has the same key twice" "Each key of a mapping is written once; readers differ in which of two wins." "Remove one of the two."
    TOO_LARGE "AOB1004" "the file or a part of it is larger than its limit" "Every size from outside is bounded." "Make it smaller; move large data into the run's input or a node's output."
    NOT_TEXT "AOB1005" "the file is not UTF-8 text" "Files are UTF-8 without NUL characters." "Save it as UTF-8 text."
    ALIAS "AOB1006" "aliases and merge keys are not read" "An alias can make a small file huge and hides what is meant; `<<` is not YAML 1.2." "Write the value out where it is used."
    NOT_A_WORKFLOW "AOB1007" "the document is not a Workflow of aob.dev/v1alpha1" "A document names its apiVersion and kind." "Begin with `apiVersion: aob.dev/v1alpha1` and `kind: Workflow`."
    BAD_KEY "AOB1008" "a mapping key is not a string" "Keys are strings." "Quote the key."
    BAD_NUMBER "AOB1009" "a number cannot be kept exactly" "Integers lie within 2^53 - 1 on either side, other numbers are finite doubles." "Use a smaller number, or a string."
    BAD_TAG "AOB1010" "a tag is not one of the core schema" "Only `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!map` and `!!seq` are read, on what fits them; others mean something to one program only." "Remove the tag; quote the value if a string is meant."
    BAD_EXPRESSION "AOB1101" "the expression does not parse or uses what is not allowed" "Expressions are CEL without time, randomness or input and output, bounded in length and depth." "Mend the expression at the place shown."
    UNKNOWN_NAME "AOB1102" "the expression reads a name that does not exist here" "An expression sees input, run, nodes, and the names of its enclosing scopes." "Use one of the names listed."
    EXPRESSION_BUDGET "AOB1103" "evaluation took more steps than allowed" "Every evaluation has a step budget, so that no expression can hold up a coordinator." "Work on a smaller list, or move the work into a node."
    EXPRESSION_LIMIT "AOB1104" "the expression is too long or too deep" "An expression has at most 4,096 bytes, 64 levels and 1,000 elements in a literal, so that no text can exhaust the reader." "Split it over several nodes, or hand the data in as an input."
    SECRET_PLACE "AOB1105" "a secret is used inside an expression" "A secret stays a reference until the worker sends it; nothing may be computed from it." "Write `${ secrets.<name>.<key> }` by itself, or between plain text, in a field made for it."
    EXPRESSION "AOB1106" "an expression has no value" "No such key, an index out of range, a division by zero, or text that is no number: the node fails without retry." "Test first: `has(x.key) ? x.key : <default>`, `size(list) > 0`, `y != 0`."
    ABSENT "AOB1107" "an expression reads what is not there" "A node that was passed over has no output, and one that did not fail has no error." "Guard it: `has(nodes.x.output) ? nodes.x.output : <default>`."
    OVERFLOW "AOB1108" "a number is out of range" "Ints in a result lie within 2^53 - 1 on either side, doubles are finite." "Use a smaller number, or keep it as text: `string(x)`."
    TYPE "AOB1109" "a value has the wrong type for what is done with it" "Operators and functions take the types CEL gives them; only ints and doubles mix." "Convert it: `string(x)`, `int(x)`, `double(x)`."
}
