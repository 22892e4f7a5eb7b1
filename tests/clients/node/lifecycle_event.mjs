// What a receiver of lifecycle events does: it finds the key, prints the payload again, and checks
// the signature over that. Arguments: the marketplace's URL; the message comes by standard input.
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const [marketplace] = process.argv.slice(2);
const message = JSON.parse(readFileSync(0, "utf8"));
const document = await (await fetch(`${marketplace}/.well-known/marketplace.json`)).json();
const key = createPublicKey(await (await fetch(document.endpoints.public_key)).text());
const signature = Buffer.from(message.signature, "base64");
const holds = (payload) =>
  verify("RSA-SHA256", Buffer.from(JSON.stringify(payload)), key, signature);
console.log(
  JSON.stringify({
    type: key.asymmetricKeyType,
    bits: key.asymmetricKeyDetails.modulusLength,
    valid: holds(message.payload),
    changed: holds({ ...message.payload, user: "somebody" }),
  }),
);
