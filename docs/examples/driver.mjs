// A toy driver: one directory tree in memory, no server.  Enough to pass `metaparity smoke`.
import { createInterface } from "node:readline";

const capabilities = ["volume", "session", "namespace"];
const hello = { protocol: 1, name: "toy", version: "1", language: "javascript", capabilities, schemes: ["toy"] };
const nodes = new Map([[1, { type: "directory", mode: 0o777, nlink: 2, length: 4096, parent: 1 }]]);
const entries = new Map([[1, new Map()]]);
const node = (inode) => ({ ok: { inode, attr: nodes.get(inode) } });
let settings = {};

function make({ parent, name, mode = 0, umask = 0 }, type) {
  if (entries.get(parent).has(name)) return { errno: "EEXIST" };
  const inode = nodes.size + 1;
  nodes.set(inode, { type, mode: mode & ~umask, nlink: 1, length: 0, parent });
  entries.get(parent).set(name, inode);
  entries.set(inode, new Map());
  return node(inode);
}

function found({ parent, name }, use) {
  const inode = entries.get(parent).get(name);
  return inode === undefined ? { errno: "ENOENT" } : use(inode);
}

const methods = {
  hello: () => ({ ok: hello }),
  open: () => ({ ok: {} }),
  close: () => ({ ok: {} }),
  init: ({ format }) => ((settings = format), { ok: {} }),
  load: () => ({ ok: settings }),
  session_new: () => ({ ok: { sid: 1 } }),
  mkdir: (p) => make(p, "directory"),
  create: (p) => make(p, "file"),
  lookup: (p) => found(p, node),
  getattr: ({ inode }) => ({ ok: nodes.get(inode) }),
  readdir: ({ inode }) => {
    const listed = [[".", inode], ["..", nodes.get(inode).parent], ...entries.get(inode)];
    return { ok: listed.map(([name, inode]) => ({ name, inode, type: nodes.get(inode).type })) };
  },
  unlink: (p) => found(p, () => (entries.get(p.parent).delete(p.name), { ok: {} })),
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return; // $/cancel: nothing here ever waits
  const result = methods[method]?.(params) ?? { unsupported: `the toy has no ${method}` };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
});
