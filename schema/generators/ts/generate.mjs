// Reads {types, validated} from standard input and writes {file: text} to standard output.
// The packages are found in the folder named by the first argument, pinned by package-lock.json.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const load = createRequire(join(process.argv[2], "package.json"));
const { compile } = load("json-schema-to-typescript");
const Ajv = load("ajv/dist/2020.js").default;
const standalone = load("ajv/dist/standalone").default;

const input = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify({ "src/types.ts": await types(), ...validators() }));

/** The interfaces and unions, one per definition. */
async function types() {
  const text = await compile(input.types, "Documents", {
    additionalProperties: false,
    bannerComment: `// ${input.banner}`,
    format: true,
    ignoreMinAndMaxItems: true,
    style: { printWidth: 120 },
    unreachableDefinitions: true,
  });
  // The generator notes under each type which definition it came from: its own name.
  return text
    .replace(/\n \*\n \* This (?:interface|type) was referenced by [^\n]*\n \* via the `definition` [^\n]*/g, "")
    .replace(/\/\*\*\n \* This (?:interface|type) was referenced by [^\n]*\n \* via the `definition` [^\n]*\n \*\/\n/g, "");
}

/** The validators as one module without imports, and its declarations. */
function validators() {
  const ajv = new Ajv({
    allErrors: true,
    allowUnionTypes: true,
    code: { esm: true, source: true, lines: true },
    inlineRefs: false,
    // Keywords that only AOB reads are annotations; a cross-field rule names what is no requirement.
    strictRequired: false,
    strictTypes: false,
  });
  for (const keyword of input.annotations) ajv.addKeyword({ keyword });
  const names = {};
  const { configs, ...documents } = input.validated;
  const add = (name, schema) => {
    ajv.addSchema(schema, schema.$id);
    names[name] = schema.$id;
  };
  for (const [name, schema] of Object.entries(documents)) add(name, schema);
  for (const [name, schema] of Object.entries(configs)) add(`config_${name}`, schema);
  let code = standalone(ajv, names);
  // The one thing that compiled validators look up at run time: characters, not UTF-16 units.
  code = code.replaceAll(/require\("ajv\/dist\/runtime\/ucs2length"\)\.default/g, "characters");
  const left = code.match(/require\([^)]*\)/);
  if (left) throw new Error(`the compiled validators need ${left[0]} at run time`);
  const length = "function characters(text) {\n  let count = 0;\n  for (const _ of text) count++;\n  return count;\n}\n";
  const configLines = Object.keys(configs).map((name) => `  ${JSON.stringify(name)}: config_${name},`);
  const table = `export const configs = {\n${configLines.join("\n")}\n};\n`;
  const declared = [
    `// ${input.banner}`,
    "/** One fault: where in the document, by JSON pointer, and what is wrong. */",
    "export interface ValidatorError {\n  instancePath: string;\n  message?: string;\n  keyword: string;\n  params: Record<string, unknown>;\n}",
    "/** Judges a value; after `false` its `errors` say why, until it is called again. */",
    "export interface Validator {\n  (value: unknown): boolean;\n  errors?: ValidatorError[] | null;\n}",
    ...Object.keys(documents).map((name) => `export declare const ${name}: Validator;`),
    "export declare const configs: Readonly<Record<string, Validator | undefined>>;",
    "",
  ].join("\n");
  return {
    "validators/index.js": `// ${input.banner}\n${code.replace('"use strict";', "")}\n${length}${table}`,
    "validators/index.d.ts": declared,
  };
}
