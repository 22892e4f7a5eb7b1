// Checks tokens with fast-jwt and jose, as their documentation says: signature, algorithm, issuer,
// audience, times. Answers one line of JSON with another, as bench.workers does.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createVerifier } from "fast-jwt";
import { importSPKI, jwtVerify } from "jose";

const { pem, tokens, issuer, audience } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const options = { key: pem, algorithms: ["RS256"], allowedIss: issuer, allowedAud: audience };
const joseKey = await importSPKI(pem, "RS256");

const cold = {
  "fast-jwt (Node)": () => createVerifier({ ...options, cache: false }),
  "jose (Node)": () => (token) =>
    jwtVerify(token, joseKey, { algorithms: ["RS256"], issuer, audience }),
};
// One that has seen every token; it stays the same for the whole run.
const caching = createVerifier({ ...options, cache: 2 * tokens.length, cacheTTL: 3_600_000 });
for (const token of tokens) caching(token);

async function refuses(check, token) {
  try {
    await check(token);
  } catch {
    return true;
  }
  return false;
}

for (const make of [...Object.values(cold), () => caching]) {
  const check = make();
  await check(tokens[0]);
  const [head, payload, signature] = tokens[0].split(".");
  const other = signature[10] === "A" ? "B" : "A";
  const wrong = `${head}.${payload}.${signature.slice(0, 10)}${other}${signature.slice(11)}`;
  if (!(await refuses(check, wrong))) throw new Error("a wrong signature was accepted");
}

// A server has each token as new text; it is made before the clock runs.
const raw = tokens.map((token) => Buffer.from(token, "latin1"));

async function measure({ name, cached, seconds }) {
  let count = 0;
  let spent = 0;
  while (spent < seconds) {
    const check = cached ? caching : cold[name]();
    const given = cached ? raw.map((bytes) => bytes.latin1Slice()) : tokens;
    const began = process.hrtime.bigint();
    if (name.startsWith("jose")) {
      for (const token of given) await check(token);
    } else {
      for (const token of given) check(token);
    }
    spent += Number(process.hrtime.bigint() - began) / 1e9;
    count += given.length;
  }
  return { count, seconds: spent };
}

process.on("SIGINT", () => {});
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await measure(JSON.parse(line)))}\n`);
}
