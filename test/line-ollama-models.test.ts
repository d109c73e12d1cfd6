/** What Ollama's clients are told of models where several servers have some, and some of them do not answer. */
import { afterEach, expect, test } from "vitest";
import { json, startFakeUpstream, type FakeUpstream, type Script } from "./fake-upstream.ts";
import { startGateway, type RunningGateway } from "./running.ts";

const running: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.close();
});

/** An Ollama by what it answers at each path. */
async function server(answers: Readonly<Record<string, Script>>): Promise<FakeUpstream> {
  const started = await startFakeUpstream((outgoing, arrived, number) =>
    (answers[arrived.path] ?? json({ error: "404 page not found" }, 404))(outgoing, arrived, number),
  );
  running.push(started);
  return started;
}

const entry = (name: string, more: object = {}) => ({ name, model: name, digest: `digest-of-${name}`, ...more });
const models = (...list: readonly object[]): Script => json({ models: list });

async function gatewayOf(providers: Readonly<Record<string, readonly FakeUpstream[]>>): Promise<RunningGateway> {
  const sections = Object.entries(providers).map(([name, servers]) => {
    const urls = servers.map(({ url }) => `"${url}"`).join(", ");
    return `  ${name}: { kind: ollama, baseUrls: [${urls}], apiKeyEnv: OLLAMA_KEY }`;
  });
  const started = await startGateway({
    environment: { OLLAMA_KEY: "sk-of-the-server-0123456789" },
    yaml: ["providers:", ...sections].join("\n"),
    discoverAgainMs: 3_600_000,
  });
  running.push(started);
  return started;
}

interface Listed {
  readonly models: readonly { readonly name: string }[];
}

const read = async ({ url }: RunningGateway, path: string) => (await (await fetch(url + path)).json()) as Listed;
const show = ({ url }: RunningGateway, body: object) =>
  fetch(`${url}/api/show`, { method: "POST", body: JSON.stringify(body) });

test("two servers' models are listed as each lists them; what both have is told apart by the server's name", async () => {
  const one = await server({ "/api/tags": models(entry("a:1", { size: 1, details: { family: "x" } }), entry("b:1")) });
  const two = await server({ "/api/tags": models(entry("a:1", { size: 2 }), entry("c:1")) });
  const gateway = await gatewayOf({ one: [one], two: [two] });
  expect((await read(gateway, "/api/tags")).models.slice(1)).toEqual([
    entry("a:1", { size: 1, details: { family: "x" } }),
    entry("b:1"),
    { ...entry("a:1", { size: 2 }), name: "two/a:1", model: "two/a:1" },
    entry("c:1"),
  ]);
});

test("what is loaded is told of every server and replica, each model once", async () => {
  const tags = models(entry("a:1"), entry("b:1"));
  const first = await server({ "/api/tags": tags, "/api/ps": models(entry("a:1", { size_vram: 1 })) });
  const second = await server({ "/api/tags": tags, "/api/ps": models(entry("a:1"), entry("b:1")) });
  const other = await server({ "/api/tags": tags, "/api/ps": models(entry("a:1")) });
  const gateway = await gatewayOf({ one: [first, second], two: [other] });
  expect((await read(gateway, "/ollama/api/ps")).models).toEqual([
    entry("a:1", { size_vram: 1 }),
    entry("b:1"),
    { ...entry("a:1"), name: "two/a:1", model: "two/a:1" },
  ]);
});

test("a server that is dead or silent is left out, and takes a bounded time", async () => {
  const well = await server({ "/api/tags": models(entry("a:1")), "/api/ps": models(entry("a:1")) });
  const silent = await server({ "/api/tags": () => {}, "/api/ps": () => {} });
  const dead = await server({});
  const gateway = await gatewayOf({ dead: [dead], silent: [silent], well: [well] });
  const startedAt = performance.now();
  expect((await read(gateway, "/api/tags")).models.map(({ name }) => name)).toEqual(["auto", "a:1"]);
  expect((await read(gateway, "/api/ps")).models.map(({ name }) => name)).toEqual(["a:1"]);
  expect(performance.now() - startedAt).toBeLessThan(3_000);
});

test("a description is the server's very bytes, asked for by its own name with the client's options", async () => {
  const text = '{ "big": 9007199254740993, "model_info": {"x": 1.0} }';
  const one = await server({
    "/api/tags": models(entry("llama3.1:latest")),
    "/api/show": (outgoing) => void outgoing.end(text),
  });
  const gateway = await gatewayOf({ one: [one] });
  for (const body of [
    { model: "llama3.1", verbose: true },
    { name: "one/llama3.1:latest", verbose: true },
  ]) {
    const answer = await show(gateway, body);
    expect([answer.status, await answer.text()]).toEqual([200, text]);
    const asked = one.requests.at(-1);
    expect(JSON.parse(String(asked?.body))).toEqual({ model: "llama3.1:latest", verbose: true });
    expect(asked?.headers["authorization"]).toBe("Bearer sk-of-the-server-0123456789");
  }
});

test("what goes wrong at the server is told: its own error as it is, ours where the fault is ours", async () => {
  const tags = models(entry("a:1"));
  const answers: Record<string, Script> = { "/api/tags": tags };
  const one = await server(answers);
  const gateway = await gatewayOf({ one: [one] });
  answers["/api/show"] = json({ error: "broken file" }, 500);
  const own = await show(gateway, { model: "a:1" });
  expect([own.status, await own.json()]).toEqual([500, { error: "broken file" }]);
  answers["/api/show"] = json({ error: "unauthorized: sk-of-the-server-0123456789" }, 401);
  const refused = await show(gateway, { model: "a:1" });
  const text = await refused.text();
  expect(refused.status).toBe(502);
  expect(text).toContain("refuses the gateway's credential");
  expect(text).not.toContain("sk-of");
  answers["/api/show"] = (outgoing) => void outgoing.destroy();
  const cut = await show(gateway, { model: "a:1" });
  expect([cut.status, await cut.json()]).toEqual([502, { error: expect.stringContaining("broke") as string }]);
});

test("a body that is no question is refused in Ollama's words", async () => {
  const gateway = await gatewayOf({ one: [await server({ "/api/tags": models(entry("a:1")) })] });
  for (const body of ["", "{", "[]", "null", '"a:1"', "{}", '{"model":7}', '{"model":""}']) {
    const answer = await fetch(`${gateway.url}/api/show`, { method: "POST", body });
    expect(answer.status, body).toBe(400);
    expect(await answer.json(), body).toEqual({ error: expect.any(String) as string });
  }
});
