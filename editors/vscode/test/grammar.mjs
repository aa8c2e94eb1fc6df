// The files of tests/editing/grammar/ in VS Code's own engine of grammars: `npm install && npm test`.
// A line is followed by comments that say which scope the signs above `^^^` have; `<---` is from the line's start.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const { OnigScanner, OnigString, loadWASM } = createRequire(import.meta.url)("vscode-oniguruma");
const { INITIAL, Registry, parseRawGrammar } = createRequire(import.meta.url)("vscode-textmate");

const here = path.dirname(fileURLToPath(import.meta.url));
const grammarFile = path.join(here, "..", "syntaxes", "dcql.tmLanguage.json");
const cases = path.join(here, "..", "..", "..", "tests", "editing", "grammar");

await loadWASM(fs.readFileSync(path.join(here, "..", "node_modules", "vscode-oniguruma", "release", "onig.wasm")));
const registry = new Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new OnigScanner(patterns),
    createOnigString: (text) => new OnigString(text),
  }),
  loadGrammar: async () => parseRawGrammar(fs.readFileSync(grammarFile, "utf8"), grammarFile),
});
const grammar = await registry.loadGrammar("source.dcql");

let checked = 0;
let wrong = 0;
for (const name of fs.readdirSync(cases).sort()) {
  let line = "";
  for (const [number, text] of fs.readFileSync(path.join(cases, name), "utf8").split("\n").entries()) {
    const mark = /^(-- *)(\^+|<-+) (\S+)$/.exec(text);
    if (mark === null) {
      line = text;
      continue;
    }
    const arrow = mark[2].startsWith("<");
    const start = arrow ? 0 : mark[1].length;
    const end = arrow ? mark[2].length - 1 : start + mark[2].length;
    const { tokens } = grammar.tokenizeLine(line, INITIAL);
    const found = tokens
      .filter((token) => token.startIndex < end && token.endIndex > start)
      .map((token) => token.scopes.at(-1));
    checked += 1;
    if (found.length === 0 || !found.every((scope) => scope.startsWith(mark[3]))) {
      wrong += 1;
      console.error(`${name}:${number + 1}: \`${line.slice(start, end)}\` is ${found.join(", ")}, not ${mark[3]}`);
    }
  }
}
console.log(`${checked} scopes checked, ${wrong} wrong`);
process.exit(wrong > 0 || checked < 50 ? 1 : 0);
