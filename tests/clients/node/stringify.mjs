// Prints each JSON value of standard input, one a line, as JSON.stringify does: in hexadecimal.
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  console.log(Buffer.from(JSON.stringify(JSON.parse(line))).toString("hex"));
}
