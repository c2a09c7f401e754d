// Makes an SVG file of each D2 source: node render.mjs SOURCE.d2 ... writes SOURCE.svg beside it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { D2 } from "@terrastruct/d2";

const d2 = new D2();
for (const path of process.argv.slice(2)) {
  const source = readFileSync(path, "utf8");
  const { diagram, renderOptions } = await d2.compile(source, { layout: "dagre", pad: 16 });
  const picture = await d2.render(diagram, renderOptions);
  const hash = createHash("sha256").update(source).digest("hex");
  writeFileSync(path.replace(/\.d2$/, ".svg"), `${picture.trimEnd()}\n<!-- source: ${hash} -->\n`);
}
// Its worker would keep the process alive.
process.exit(0);
