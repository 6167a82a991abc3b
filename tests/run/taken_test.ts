/** Runs that begin with tensors of others: what is taken, what is drawn, what makes them different runs, and what is refused. */
import { assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { readRequest, type Request } from "../../lib/cli/request.ts";
import { cpuEngine } from "../../lib/engine/cpu/engine.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { retrain } from "../../lib/lab/retrain.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { groupOf } from "../../lib/run/groups.ts";
import { initialise, layout, read } from "../../lib/run/layout.ts";
import { type RunInput, type RunSpec, runSpec, shapeKey, specHash } from "../../lib/run/spec.ts";
import { takeOver } from "../../lib/run/take.ts";
import { saveCheckpoint } from "../../lib/train/weights.ts";
import { snapshotOf } from "../../lib/train/train.ts";
import { scratch } from "../lab/lab_files.ts";
import { runs, small } from "../lab/small_lab.ts";

const SPEC = runs(20)[0];
const like = (more: RunInput = {}): RunSpec => runSpec({ ...SPEC, ...more, model: { ...SPEC.model, ...more.model } });
/** A state whose every number is another than any seed draws. */
const source = (shift: number) => ({ spec: SPEC, step: 10, params: initialise(SPEC).map((x) => x === 0 ? 0 : x + shift) });

Deno.test("taken tensors have the source's bits, all others those that the seed draws; different starts are different runs", () => {
  const from = source(1), taken = takeOver(from, ["unembed", "embed"]);
  assertMatch(taken, new RegExp(`^${specHash(SPEC)}@10:embed\\+unembed:[0-9a-f]{16}$`));
  const spec = like({ model: { taken }, seed: 7 }), flat = initialise(spec), drawn = initialise(like({ seed: 7 }));
  for (const tensor of layout(spec).tensors) {
    const isTaken = ["embed", "unembed"].includes(groupOf(tensor.name));
    assertEquals(read(tensor, flat), read(tensor, isTaken ? from.params : drawn), tensor.name);
  }
  const others = [takeOver(source(2), ["embed", "unembed"]), takeOver(from, ["embed"]), takeOver({ ...from, step: 11 }, ["embed"])];
  const hashes = [taken, ...others, "none"].map((value) => specHash(like({ model: { taken: value }, seed: 7 })));
  assertEquals(new Set(hashes).size, 5);
  assertEquals(hashes[4], specHash(like({ seed: 7 })));
  assertEquals(shapeKey(spec), shapeKey(like()));
});

Deno.test("what can't be taken is refused in one line", () => {
  const taken = takeOver(source(1), ["embed"]);
  const cases: [() => unknown, RegExp][] = [
    [() => takeOver(source(1), []), /groups must be some of embed, pos/],
    [() => takeOver(source(1), ["norms"]), /groups must be among .*, which that model has, current value is "norms"/],
    [() => takeOver(source(NaN), ["embed"]), /embed.W_E must be finite numbers/],
    [() => initialise(like({ model: { taken, dModel: 8 } })), /Cannot take embed.W_E over .* size must be \[6, 8\] .* is \[6, 4\]/],
    [() => initialise(like({ model: { taken: taken.replace(/:\w+$/, ":0123456789abcdef") } })), /must be at hand, they aren't/],
    [() => like({ model: { taken: "12@3" } }), /taken must be none, or HASH@STEP:GROUPS:DIGEST/],
  ];
  for (const [does, says] of cases) {
    const { message } = assertThrows(does, Error);
    assertMatch(message, says);
    assertMatch(message, /^Cannot [^\n]*$/);
  }
});

Deno.test("--from, --take and --freeze: a checkpoint's setting, its tensors, frozen groups; and what is refused", () =>
  scratch(async (path) => {
    const file = path("seed_0.safetensors"), state = { ...snapshotOf(SPEC, source(1).params), step: 10 };
    await saveCheckpoint(file, state);
    const request = async (line: string) => await readRequest(line.split(" ")) as Request;
    const { specs } = await request(`--from ${file}@10 --take embed --freeze unembed,embed --seeds 3,4`);
    assertEquals(
      specs.map(({ seed, optim, data }) => [seed, optim.frozen, data]),
      [3, 4].map((seed) => [seed, "embed+unembed", SPEC.data]),
    );
    assertEquals(specs[0].model.taken, takeOver(state, ["embed"]));
    assertEquals(
      (await request(`--from ${path(".")} --take all`)).specs[0].model.taken,
      takeOver(state, ["embed", "pos", "attn", "mlp", "unembed"]),
    );
    const { specs: [muon] } = await request(`--from ${file} --take embed --optimiser muon`);
    assertEquals(muon.optim, runSpec({ ...SPEC, optim: { ...SPEC.optim, rule: "muon", momentum: 0.95, muonLr: 0.02 } }).optim);
    // A complete --config stands between the run's setting and the flags.
    const averaged = { ...SPEC, optim: { ...SPEC.optim, gradFilter: "grokfast-ma", filterLambda: 3, filterWindow: 7 } };
    await Deno.writeTextFile(path("averaged.json"), JSON.stringify(averaged));
    const { specs: [plain] } = await request(`--from ${file} --take embed --config ${path("averaged.json")} --grad-filter none`);
    assertEquals(plain.optim, SPEC.optim);
    // A name may end like a step.
    await saveCheckpoint(path("ck@5/seed_0.safetensors"), state);
    for (const from of ["ck@5", "ck@5@10", "ck@5/seed_0.safetensors@10"]) {
      assertEquals((await request(`--from ${path(from)} --take embed`)).specs[0].model.taken, takeOver(state, ["embed"]), from);
    }
    for (
      const [line, says] of [
        [`--from ${file}`, /--from without --take/],
        ["--take embed", /--take without --from/],
        [`--from ${file}@11 --take embed`, /its step must be 11, current value is 10/],
        [`--from ${file} --take heads`, /--take: must be all, or some of .* "heads"/],
        [`--from 12 --take embed --db ${path("no.db")}`, /must be a checkpoint or a run of .*, there is neither/],
        [`--from ${file} --take embed --freeze all`, /frozen must be such that some group is trained/],
        [`--from ${file} --take embed --freeze embed,pos,attn,mlp,unembed`, /frozen must be without some of this model's groups/],
        [`--from ${file} --take embed --d-model 8`, /size must be/],
      ] as const
    ) {
      const { message } = await assertRejects(() => request(line), Error);
      assertMatch(message, says);
    }
  }));

Deno.test("a lab brings what its runs take over from others: they train, what is frozen stays, and they come again, imported without it too", () =>
  scratch(async (path) => {
    const engine = await cpuEngine(1);
    {
      using lab = Lab.open(path("a.db"));
      const [spec] = runs(20);
      await sweep(small({ name: "first", runs: [spec] }), { lab, engine });
      const { findRun } = await import("../../lib/lab/probe.ts"), { checkpoints: [{ step, load }] } = findRun(lab, 1);
      const params = await load() as Float32Array<ArrayBuffer>, taken = takeOver({ spec, step, params }, ["embed"]);
      const next = runSpec({ ...spec, model: { ...spec.model, taken }, optim: { ...spec.optim, frozen: "embed" }, seed: 9 });
      await sweep(small({ name: "second", runs: [next] }), { lab, engine });
      const last = await findRun(lab, 2).checkpoints[0].load(), [W_E, W_pos] = layout(spec).tensors;
      assertEquals(read(W_E, last), read(W_E, params));
      assertNotEquals(read(W_pos, last), read(W_pos, params));
      assertEquals(lab.query("SELECT taken FROM runs ORDER BY id"), [{ taken: "none" }, { taken }]);
      assertEquals((await retrain(lab, 2, engine)).findings, []);
      // Where it began stays with it, and goes along with its record, unlike that of a run that takes nothing.
      assertEquals(lab.query("SELECT run, step FROM artifacts WHERE kind = 'weights'"), [{ run: 2, step: 0 }]);
      for (const name of ["first", "second"]) {
        const { files } = await exportRecorded(lab, name, path(name), { metrics: "all", command: "test" });
        assertEquals(files, name === "first" ? 0 : 1);
      }
      using fresh = Lab.open(path("b.db"));
      await importRecorded(fresh, path("second"));
      assertEquals((await verify(fresh)).findings, []);
      const { schedule, data, optim } = next, other = { model: next.model, data, optim, schedule, seed: [10] };
      Deno.writeTextFileSync(path("grid.json"), JSON.stringify({ name: "third", grid: other }));
    }
    await engine.close();
    // Other processes, which have nothing at hand: the lab with both runs, and one into which the second was imported without its source.
    const processes = [["db", "verify", "--db", path("a.db"), "--retrain", "2"], ["db", "verify", "--db", path("b.db"), "--retrain", "1"]];
    const dry = ["sweep", "--dry-run", "--grid", path("grid.json"), "--engine", "cpu", "--db"];
    const results = await Promise.all([...processes, [...dry, path("b.db")], [...dry, path("none.db")]].map(async ([task, ...args]) => {
      const command = ["run", "-A", "--no-check", `lib/cli/${task}.ts`, ...args, "--threads=1"];
      const { code, stderr } = await new Deno.Command(Deno.execPath(), { args: command, cwd: new URL("../..", import.meta.url) }).output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    }));
    for (const { code, stderr } of results.slice(0, 3)) assertEquals(code, 0, stderr);
    assertMatch(
      results[3].stderr,
      /^error: Cannot begin a run that takes embed from run [0-9a-f]{16}@20: [^\n]* must be at hand, [^\n]*\n$/m,
    );
    assertEquals(results[3].code, 1);
  }));
