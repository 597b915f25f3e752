// Verdicts over the corpus: `node judge.mjs TESTDATA` prints {file: {schema, config, kept}}.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { configFindings, parseEvent, parsePatchRequest, parseWorkflow } from "../dist/index.js";
import * as validators from "../validators/index.js";

const testdata = process.argv[2];
const verdicts = {};
const each = (folder, judge) => {
  for (const part of ["valid", "invalid"]) {
    const path = join(testdata, folder, part);
    for (const file of readdirSync(path).filter((name) => name.endsWith(".json"))) {
      const read = JSON.parse(readFileSync(join(path, file), "utf8"));
      verdicts[join(folder, part, file)] = judge(part === "valid" ? read : read.document);
    }
  }
};
const plain = (parse) => (document) => {
  const judged = parse(document);
  return judged.ok ? { schema: [], config: [], kept: judged.value } : { schema: judged.findings.map(words), config: [] };
};
const words = ({ pointer, message }) => `${pointer}: ${message}`;

each("", (document) => {
  const judged = parseWorkflow(document);
  if (judged.ok) return { schema: [], config: [], kept: judged.value };
  if (!validators.workflow(document)) return { schema: judged.findings.map(words), config: [] };
  const config = document.spec.nodes.flatMap((node, at) => configFindings(node, `/spec/nodes/${at}`));
  return { schema: [], config: config.map(words) };
});
each("patch", plain(parsePatchRequest));
each("event", plain(parseEvent));
process.stdout.write(JSON.stringify(verdicts));
