/** Comments of lib and tests fit the width of a line; the formatter leaves them as they are. */
import { assertEquals } from "@std/assert";
import { filesIn, ROOT } from "../lib/cli/process.ts";
import config from "../deno.json" with { type: "json" };

const WIDTH = config.fmt.lineWidth;

/** The lines of a module that are nothing but a comment and longer than the formatter's lines, by number. */
const longComments = (text: string): number[] =>
  text.split("\n").flatMap((line, i) => /^\s*(\/\/|\/\*\*?|\*)(\s|$)/.test(line) && [...line].length > WIDTH ? [i + 1] : []);

Deno.test("no line of a comment is longer than the formatter's lines", () => {
  const word = "x".repeat(WIDTH);
  assertEquals(longComments(`/** ${word} */\n${word}\n// x\n  // ${word}\n * ${word}\n`), [1, 4, 5]);
  const long = ["lib", "tests"].flatMap((folder) => filesIn(folder, ".ts")).flatMap((file) =>
    longComments(Deno.readTextFileSync(`${ROOT}/${file}`)).map((line) => `${file}:${line}`)
  );
  assertEquals(long, []);
});
