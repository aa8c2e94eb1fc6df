// The extension with a stand-in for VS Code and for the client: what is started, with which settings.

const assert = require("node:assert");
const Module = require("node:module");

const made = [];
class LanguageClient {
  constructor(...parts) {
    this.parts = parts;
    this.state = "new";
    made.push(this);
  }
  async start() {
    this.state = "started";
  }
  async dispose() {
    this.state = "disposed";
  }
}
const settings = { command: "/venv/bin/dcql", pool: "demo" };
const registered = {};
const stand_ins = {
  vscode: {
    commands: { registerCommand: (name, run) => (registered[name] = run) },
    workspace: {
      getConfiguration: () => ({ get: (name) => settings[name] }),
      createFileSystemWatcher: (pattern) => ({ pattern }),
    },
  },
  "vscode-languageclient/node": { LanguageClient, TransportKind: { stdio: 0 } },
};
const load = Module._load;
Module._load = (name, ...rest) => stand_ins[name] ?? load(name, ...rest);

(async () => {
  const extension = require("../extension.js");
  const context = { subscriptions: [] };
  await extension.activate(context);
  const [, , server, options] = made[0].parts;
  assert.deepEqual([server.command, server.args], ["/venv/bin/dcql", ["lsp"]]);
  assert.deepEqual(options.documentSelector, [{ language: "dcql" }]);
  assert.deepEqual(options.initializationOptions, { pool: "demo" });
  assert.equal(made[0].state, "started");
  settings.pool = "";
  await registered["dcql.restart"]();
  assert.equal(made[0].state, "disposed");
  assert.deepEqual(made[1].parts[3].initializationOptions, { pool: "" });
  await extension.deactivate();
  assert.equal(made[1].state, "disposed");
  const { contributes } = require("../package.json");
  assert.ok(contributes.commands.every(({ command }) => command in registered));
  console.log("the extension starts, restarts and ends");
})();
