/** Paths from names: within their folder, or refused. */
import { assertEquals, assertThrows } from "@std/assert";
import { join } from "node:path";
import { inside, isInside } from "../../lib/run/inside.ts";

Deno.test("a name stands for a file in its folder, or is refused in one line", () => {
  const folder = Deno.makeTempDirSync({ prefix: "inside-" });
  try {
    Deno.mkdirSync(join(folder, "sub"));
    Deno.symlinkSync("/etc", join(folder, "link"));
    Deno.symlinkSync("/etc/hostname", join(folder, "sub", "file"));
    for (const name of ["a.txt", "sub/b.txt", "new/sub/c", "...", "a b"]) assertEquals(inside(folder, name), join(folder, name));
    const bad = ["", ".", "..", "../a", "sub/../../a", "sub/../a", "/etc/passwd", "a//b", "a/", "a\\b", "C:a", "a\nb", "a\0b", "\u202ea"];
    for (const name of [...bad, "link", "link/hostname", "sub/file", "x".repeat(300)]) {
      const { message } = assertThrows(() => inside(folder, name), Error, "Cannot use ");
      assertEquals([message.includes("\n"), isInside(folder, name)], [false, false], name);
    }
    for (const name of [null, 5, undefined]) assertThrows(() => inside(folder, name as unknown as string), Error, "Cannot use ");
    // The folder itself may be a link.
    Deno.symlinkSync(join(folder, "sub"), `${folder}-link`);
    assertEquals(inside(`${folder}-link`, "b.txt"), join(`${folder}-link`, "b.txt"));
    Deno.removeSync(`${folder}-link`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
