// Has people log in to a real server at a certified OpenID provider: by a client that keeps cookies, and by
// Chromium. What the server logs meanwhile must hold none of the secrets.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import Provider from "oidc-provider";
import puppeteer from "puppeteer-core";

const flyball = process.argv[2];
const chromium = process.argv[3];
const PATIENCE_MS = 60_000;

const people = {
  ann: { name: "Ann", email: "ann@example.com", email_verified: true, groups: ["sre"] },
  bob: { name: "Bob", email: "bob@example.com", email_verified: false, groups: [] },
};
/** What must be in no log. */
const secrets = new Set();

const said = (what) => console.log(`ok    ${what}`);

/** A server on a free port, or on `port`. */
const listen = (server, port = 0) =>
  new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server.address().port)));

const freePort = async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** Starts the provider with a key of its own. */
async function startProvider(port, clientSecret, callback, kid) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{
      client_id: "flyball",
      client_secret: clientSecret,
      redirect_uris: [callback],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    }],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" }] },
    claims: { email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
  });
  provider.on("grant.success", (ctx) => {
    for (const name of ["code", "code_verifier"]) secrets.add(ctx.oidc.params[name]);
    for (const name of ["access_token", "id_token"]) secrets.add(ctx.body[name]);
  });
  // The library warns of what is for development only; that is what this is.
  const server = createServer(provider.callback());
  await listen(server, port);
  return {
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

/** A client that keeps cookies and follows redirects, and remembers where it was. */
class Client {
  constructor() {
    this.cookies = new Map();
    this.visited = [];
  }

  async ask(url, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, ...options.headers };
    const answer = await fetch(url, { ...options, headers, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value === "") this.cookies.delete(name);
      else this.cookies.set(name, value);
      if (name.startsWith("flyball_") && value !== "") secrets.add(value.split("_").at(-1));
    }
    return answer;
  }

  /** Follows redirects to their end. */
  async visit(url, options) {
    let answer = await this.ask(url, options);
    let at = url;
    while (answer.status >= 300 && answer.status < 400) {
      at = new URL(answer.headers.get("location"), at).href;
      this.visited.push(at);
      answer = await this.ask(at);
    }
    return { at, answer, text: await answer.text() };
  }

  /** Logs in as a browser would: fills the provider's forms until it is back. */
  async logIn(base, login) {
    let page = await this.visit(`${base}/login`);
    while (!page.at.startsWith(base)) {
      const action = /action="([^"]+)"/.exec(page.text)?.[1];
      assert(action, `a page of the provider without a form: ${page.at}\n${page.text}`);
      const prompt = /name="prompt" value="([^"]+)"/.exec(page.text)[1];
      const body = new URLSearchParams({ prompt, login, password: "any" });
      page = await this.visit(new URL(action, page.at).href, { method: "POST", body });
    }
    return page;
  }
}

/** A program whose output is kept. */
class Program {
  constructor(command, args, env) {
    this.log = "";
    this.process = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on("data", (data) => {
        this.log += data;
        this.look?.();
      });
    }
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
  }

  /** Waits until it has said `text`. */
  async until(text) {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    await new Promise((resolve, reject) => {
      this.look = () => this.log.includes(text) && resolve();
      this.look();
      patience.onabort = () => reject(new Error(`it did not say "${text}":\n${this.log.slice(-3000)}`));
      this.process.on("exit", () => reject(new Error(`it ended:\n${this.log.slice(-3000)}`)));
    });
  }

  async stop() {
    this.process.kill("SIGTERM");
    return this.ended;
  }
}

async function byClient(base, issuer) {
  const ann = new Client();
  const page = await ann.logIn(base, "ann");
  assert.equal(page.at, `${base}/api/v1/me`);
  const me = JSON.parse(page.text);
  assert.equal(me.actor, "person:ann");
  assert.deepEqual(me.person, { subject: "ann", email: "ann@example.com", name: "Ann", groups: ["sre"] });
  assert.deepEqual(me.roles, [{ service: "*", role: "admin" }]);
  said("a client logs in, with a verified address and a group");

  const callback = ann.visited.findLast((url) => url.startsWith(`${base}/login/callback`));
  assert.equal((await ann.ask(callback)).status, 400);
  assert.equal((await new Client().ask(callback)).status, 400);
  said("its callback is good once");

  const bob = new Client();
  assert.deepEqual(JSON.parse((await bob.logIn(base, "bob")).text).roles, []);
  assert.equal((await bob.ask(`${base}/api/v1/slos`)).status, 403);
  const json = (body) => ({
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", origin: base },
  });
  const grant = { who: "person:bob", service: "*", role: "viewer" };
  assert.equal((await ann.ask(`${base}/api/v1/grants`, json(grant))).status, 200);
  assert.equal((await bob.ask(`${base}/api/v1/slos`)).status, 200);
  const gone = `${base}/api/v1/grants?who=person:bob&service=*`;
  assert.equal((await ann.ask(gone, { method: "DELETE", headers: { origin: base } })).status, 204);
  assert.equal((await bob.ask(`${base}/api/v1/slos`)).status, 403);
  said("a grant holds from the moment it is given to the moment it is taken");

  const evil = { method: "POST", headers: { origin: issuer } };
  assert.equal((await bob.ask(`${base}/logout`, evil)).status, 403);
  assert.equal((await bob.ask(`${base}/logout`, { method: "POST", headers: { origin: base } })).status, 204);
  assert.equal((await bob.ask(`${base}/api/v1/me`)).status, 401);
  said("a session ends when it is told to, and by its own pages only");
  return ann;
}

async function byChromium(base, issuer, directory) {
  const browser = await puppeteer.launch({
    executablePath: chromium,
    userDataDir: join(directory, "chromium"),
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    const page = await browser.newPage();
    // The pages' own policy forbids scripts to ask anything; the test's scripts are to.
    await page.setBypassCSP(true);
    await page.goto(`${base}/login`);
    await page.type("input[name=login]", "ann");
    await page.type("input[name=password]", "any");
    await Promise.all([page.waitForNavigation(), page.click("[type=submit]")]);
    await Promise.all([page.waitForNavigation(), page.click("[type=submit]")]);
    assert.equal(page.url(), `${base}/api/v1/me`);
    const read = () => page.evaluate(() => document.body.innerText);
    assert.equal(JSON.parse(await read()).actor, "person:ann");
    const cookies = (await browser.cookies()).filter((cookie) => cookie.name.startsWith("flyball_"));
    assert.deepEqual(cookies.map((one) => [one.name, one.httpOnly, one.sameSite]),
      [["flyball_session", true, "Lax"]]);
    secrets.add(cookies[0].value.split("_").at(-1));
    assert.equal(await page.evaluate(() => document.cookie), "");
    said("Chromium logs in; its scripts do not see the session");

    // The provider is on another port: of the same site, so that its pages' requests carry the cookie.
    const logOut = (url) => page.evaluate(
      (url) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include" })
        .then((answer) => answer.status), url);
    await page.goto(`${issuer}/.well-known/openid-configuration`);
    await logOut(`${base}/logout`);
    await page.goto(`${base}/api/v1/me`);
    assert.equal(JSON.parse(await read()).actor, "person:ann");
    assert.equal(await logOut("/logout"), 204);
    assert.equal((await page.goto(`${base}/api/v1/me`)).status(), 401);
    said("a page of another origin cannot log Chromium out, its own can");
  } finally {
    await browser.close();
  }
}

const directory = mkdtempSync(join(tmpdir(), "flyball-oidc-"));
const [port, providerPort] = [await freePort(), await freePort()];
const [base, issuer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${providerPort}`];
const clientSecret = randomBytes(24).toString("hex");
secrets.add(clientSecret);
writeFileSync(join(directory, "secret"), `${clientSecret}\n`, { mode: 0o600 });
let provider = await startProvider(providerPort, clientSecret, `${base}/login/callback`, "first");
const server = new Program(flyball, [
  "serve", "--data", join(directory, "data"), "--listen", `127.0.0.1:${port}`,
  "--oidc-issuer", issuer, "--oidc-client-id", "flyball", "--external-url", base,
  "--oidc-client-secret-file", join(directory, "secret"),
  "--oidc-scope", "email", "--oidc-scope", "profile", "--oidc-scope", "groups",
  "--oidc-admin", "group:sre",
], { FLYBALL_LOG: "trace", NO_COLOR: "1" });
try {
  await server.until("listening on");
  const ann = await byClient(base, issuer);
  await byChromium(base, issuer, directory);

  await provider.stop();
  assert.equal((await ann.ask(`${base}/api/v1/slos`)).status, 200);
  said("sessions go on while the provider is down");
  provider = await startProvider(providerPort, clientSecret, `${base}/login/callback`, "second");
  const again = new Client();
  assert.equal(JSON.parse((await again.logIn(base, "ann")).text).actor, "person:ann");
  said("a key that the provider has changed is found");

  assert.equal(await server.stop(), 0);
  assert(server.log.includes("TRACE"), "the server has logged all that it can");
  assert(secrets.size > 15, `${secrets.size} secrets`);
  for (const secret of secrets) assert(!server.log.includes(secret), "a secret is in the log");
  said(`none of ${secrets.size} secrets is in ${Math.round(server.log.length / 1024)} KiB of log`);
} finally {
  await server.stop();
  await provider.stop();
  rmSync(directory, { recursive: true, force: true });
}
