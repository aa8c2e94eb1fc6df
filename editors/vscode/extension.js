// Starts `dcql lsp` and speaks with it. Everything that is known of recipes is in the server.

const { commands, workspace } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

function make() {
  const settings = workspace.getConfiguration("dcql");
  const server = { command: settings.get("command") || "dcql", args: ["lsp"], transport: TransportKind.stdio };
  return new LanguageClient("dcql", "DCQL", server, {
    documentSelector: [{ language: "dcql" }],
    initializationOptions: { pool: settings.get("pool") || "" },
    synchronize: {
      configurationSection: "dcql",
      // What a recipe names may change beside it.
      fileEvents: workspace.createFileSystemWatcher("**/*.dcql"),
    },
  });
}

async function restart() {
  if (client !== undefined) {
    await client.dispose();
  }
  client = make();
  await client.start();
}

async function activate(context) {
  context.subscriptions.push(commands.registerCommand("dcql.restart", restart));
  await restart();
}

async function deactivate() {
  if (client !== undefined) {
    await client.dispose();
  }
}

module.exports = { activate, deactivate };
