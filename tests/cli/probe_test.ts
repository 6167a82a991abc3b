/** `deno task probe` as a user meets it: a run with its last checkpoint, one with a series of them, and all that can't be. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
// @ts-types="@types/d3-dsv"
import { csvParse } from "d3-dsv";
import { join } from "node:path";
import { main } from "../../lib/cli/probe.ts";
import { progressFigure } from "../../lib/figures/progress.ts";
import { progressRow, withReadings } from "../../lib/lab/readings.ts";
import { byNeurons, findRun, probeRun, probeRuns } from "../../lib/lab/probe.ts";
import { probeWeightsOf } from "../../lib/lab/probe_weights.ts";
import { Lab } from "../../lib/lab/store.ts";
import { verify } from "../../lib/lab/verify.ts";
import { checksum } from "../../lib/run/files.ts";
import { grid } from "../../lib/lab/experiment.ts";
import { initialise } from "../../lib/run/layout.ts";
import { saveWeights } from "../../lib/train/weights.ts";
import { scratch } from "../lab/lab_files.ts";
import { type Result, small, train } from "../lab/small_lab.ts";

/** The process that `deno task probe` starts. */
async function probe(...args: string[]): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "lib/cli/probe.ts", ...args],
    cwd: new URL("../..", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Gives a run weights at more steps, as the lab would keep them. */
async function addWeights(lab: Lab, id: number, steps: readonly number[]): Promise<void> {
  const { spec, hash } = findRun(lab, id);
  for (const step of steps) {
    const file = `${hash}-${step}.weights.safetensors`, path = join(lab.folder, file);
    await saveWeights(path, spec, initialise({ ...spec, seed: step + 1 }));
    const bytes = Deno.readFileSync(path);
    lab.run("INSERT INTO artifacts VALUES (?, 'weights', ?, ?, ?, ?)", id, step, file, bytes.length, checksum(bytes));
  }
}

const HEAD = "step   train acc   val acc   key frequencies   explained      restricted        excluded   similarity   neurons   norm";

Deno.test("a run of the lab: its last checkpoint, by id, hash, and the first digits of that", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    using lab = Lab.open(path("a.db"), { readOnly: true });
    const { id, hash, checkpoints, memorisationStep, grokkingStep } = findRun(lab, 1);
    assertEquals([id, checkpoints.map(({ step }) => step), memorisationStep, grokkingStep], [1, [200], 10, 50]);
    assertEquals([findRun(lab, hash).id, findRun(lab, hash.slice(0, 8).toUpperCase()).id], [1, 1]);

    const figure = path("figures/one.svg");
    const [table, csv] = await Promise.all([
      probe("--run", "1", "--db", path("a.db"), "--figure", figure),
      probe("--run", hash, "--db", path("a.db"), "--csv"),
    ]);
    assertEquals([table.code, csv.code, csv.stderr], [0, 0, ""]);
    const [title, , head, line, , both, note, spikes] = table.stdout.split("\n");
    assertEquals(title, `Run 1 (${hash}): x + y mod 5, d_model 4, weight decay 1, seed 0; memorised at 10, grokked at 50`);
    assertEquals(head.trim().split(/ {3,}/), HEAD.split(/ {3,}/));
    assertMatch(line, /^ *200 .* %/);
    const ending = "[12 ]+ \\(restricted [\\d.e-]+ +[\\d.]+ %, excluded [\\d.e-]+ +[\\d.]+ %\\)";
    assertMatch(both, new RegExp(`^Key frequencies at step 200: by the logits ${ending}, by the neurons ${ending}\\.$`));
    assertMatch(note, /^The columns explained, restricted and excluded go by those of the logits\. --help says/);
    assertEquals(spikes, "Slingshots (spikes of the training loss) in 21 evaluations: none.");
    assertMatch(table.stderr, /^Figure: .*one\.svg\n$/);
    assertMatch(Deno.readTextFileSync(figure), /^<svg [^]*Cosine similarity of the answers[^]*<\/svg>$/);

    // The same numbers, in full, as from a program.
    const [row] = csvParse(csv.stdout), { readings: [reading], keys } = await probeRun(lab, 1);
    assertEquals([row.step, row.key_frequencies], ["200", keys.join(" ")]);
    assertAlmostEquals(Number(row.excluded_loss), reading.excluded.trainLoss, 0);
    assertAlmostEquals(Number(row.val_acc), reading.whole.valAcc, 0);
    assertAlmostEquals(Number(row.weight_norm), reading.weightNorm, 0);
    assertEquals(row.neuron_key_frequencies, reading.neuronKeys.join(" "));
    assertAlmostEquals(Number(row.neuron_restricted_acc), reading.byNeurons.restricted.acc, 0);
  }));

Deno.test("a run with a series of checkpoints: a line each, the last one's key frequencies for all, progress as the figure", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    {
      using lab = Lab.open(path("a.db"));
      await addWeights(lab, 1, [0, 10, 50]);
      assertEquals((await verify(lab)).findings, []);
    }
    const figure = path("progress.png"),
      { code, stdout, stderr } = await probe("--run", "1", "--db", path("a.db"), "--json", "--figure", figure);
    assertEquals([code, stderr.startsWith("Figure: ")], [0, true]);
    const { run, key_frequencies: keys, slingshots, checkpoints } = JSON.parse(stdout);
    assertEquals([run, slingshots, checkpoints.map(({ step }: { step: number }) => step)], [1, [], [0, 10, 50, 200]]);
    assertEquals(keys, checkpoints[3].key_frequencies);
    for (const { power, weight_norms: norms, weight_norm: norm } of checkpoints) {
      assertEquals(Object.values(power).map((shares) => (shares as number[]).length), [2, 2, 2]);
      assertAlmostEquals(Math.hypot(...Object.values(norms as Record<string, number>)), norm, 1e-9);
      assert("embed.W_E" in norms);
    }
    assertEquals([...Deno.readFileSync(figure).subarray(1, 4)], [..."PNG"].map((letter) => letter.charCodeAt(0)));
  }));

Deno.test("a run of an even modulus is read, its highest frequency with the others", () =>
  scratch(async (path) => {
    const runs = grid({
      preset: "one-layer",
      model: { dModel: 4, heads: 1, dMlp: 4 },
      data: { prime: 12, trainFraction: 0.5 },
      schedule: { steps: 20, evalEvery: 10 },
    });
    await train(path("a.db"), small({ runs }));
    const { code, stdout, stderr } = await probe("--run", "1", "--db", path("a.db"), "--json", "--figure", path("a.svg"));
    assertEquals(code, 0, stderr);
    const { power } = JSON.parse(stdout).checkpoints[0];
    for (const part of ["embedding", "features", "logits"]) assertEquals(power[part].length, 6, part);
    assertAlmostEquals(power.embedding.reduce((sum: number, share: number) => sum + share, 0), 1, 1e-9);
    assert(power.embedding.every((share: number) => share > 0));
    assertMatch(await Deno.readTextFile(path("a.svg")), /^<svg/);
  }));

Deno.test("--weights: a line a checkpoint, of any operation, with the run's slingshots; CSV, JSON, a figure, an experiment's table", () =>
  scratch(async (path) => {
    const model = { dModel: 4, heads: 1, dMlp: 4 }, db = ["--db", path("a.db")];
    const runs = [
      ...grid({ preset: "one-layer", model, data: { operation: "permutation_s3" }, schedule: { steps: 200, evalEvery: 10 } }),
      ...grid({ preset: "boundaries", model, data: { prime: 5 }, schedule: { steps: 200, evalEvery: 10 }, seed: 1 }),
    ];
    await train(path("a.db"), small({ runs }));
    {
      using lab = Lab.open(path("a.db"));
      await addWeights(lab, 1, [0, 10]);
      // A training loss that jumps for one evaluation.
      lab.run("UPDATE metrics SET train_loss = CASE step WHEN 150 THEN 3 ELSE 0.01 END WHERE run = 1");
    }
    const { code, stdout, stderr } = await probe("--run", "1", "--weights", "--figure", path("norms.svg"), ...db);
    assertEquals([code, stderr.startsWith("Figure: ")], [0, true], stderr);
    const [title, , head, first, , last, , spikes] = stdout.split("\n");
    assertMatch(title, /^Run 1 \([0-9a-f]{16}\): a · b in S3, d_model 4, /);
    assertEquals(head.trim().split(/ {3,}/), [
      ...["step", "train acc", "val acc", "logits", "zero loss", "rank", "norm", "embed", "pos", "attn", "mlp", "unembed"],
    ]);
    assertEquals([first, last].map((line) => line.trim().split(/ {3,}/)[0]), ["0", "200"]);
    assertEquals(spikes, "Slingshots (spikes of the training loss) in 21 evaluations: 1, at step 150.");
    assertMatch(Deno.readTextFileSync(path("norms.svg")), /^<svg [^]*Norm of weights, by group of tensors[^]*<\/svg>$/);

    // The same numbers, in full; over several runs, cells are empty where a run has no such group.
    using lab = Lab.open(path("a.db"), { readOnly: true });
    const { readings } = await probeWeightsOf(lab, 1);
    const outputs = await Promise.all([["--run", "1", "--csv"], ["--run", "1", "--json"], ["--experiment", "small", "--csv"]].map(
      (args) => probe(...args, "--weights", ...db),
    ));
    const [one, read, all] = outputs.map(({ stdout }) => stdout), rows = csvParse(one), both = csvParse(all);
    assertEquals(rows.map(({ effective_rank, norm_embed }) => [effective_rank, norm_embed]), [
      ...readings.map(({ effectiveRank, groupNorms }) => [String(effectiveRank), String(groupNorms.get("embed"))]),
    ]);
    const { slingshots, checkpoints } = JSON.parse(read);
    assertEquals([slingshots.map(({ peak }: { peak: number }) => peak), checkpoints[2].logit_scale], [[150], readings[2].logitScale]);
    assertEquals(both.map(({ hash, step, embedding_gini, norm_norms }) => [hash, step, embedding_gini !== "", norm_norms !== ""]), [
      ...["0", "10", "200"].map((step) => [findRun(lab, 1).hash, step, false, false]),
      [findRun(lab, 2).hash, "200", true, true],
    ]);
    await assertRejects(() => main(["--run", "1", "--weights", "--by", "neurons"]), Error, "Cannot use --by and --weights together");
  }));

Deno.test("what can't be probed is said in one line, and nothing is written", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    const operations = ["permutation", "x_div_y"] as const;
    const others = operations.flatMap((operation) =>
      grid({ preset: "one-layer", model: { dModel: 4, heads: 1, dMlp: 4 }, data: { operation, prime: 5 } })
    );
    await train(path("b.db"), small({ name: "others", runs: others.map((spec) => ({ ...spec, schedule: { steps: 20, evalEvery: 10 } })) }));
    const a = ["--db", path("a.db")], b = ["--db", path("b.db")];
    Lab.open(path("empty.db")).close();
    let diverged = 0;
    {
      using lab = Lab.open(path("a.db"));
      diverged = lab.query<{ id: number }>("SELECT id FROM runs WHERE seed = 2 ORDER BY id")[0].id;
      for (const digit of ["a", "b"]) lab.run("UPDATE runs SET hash = ? WHERE id = ?", `abcd${digit.repeat(12)}`, digit === "a" ? 4 : 5);
      lab.run("UPDATE artifacts SET file = 'gone.safetensors' WHERE run = 2");
    }
    const kept = {
      checkpoint: { keep: "checkpoint" },
      nothing: { keep: "nothing" },
      watched: { keep: "nothing", watch: { weights: {} } },
    } as const;
    for (const [name, keeps] of Object.entries(kept)) {
      await train(path(`${name}.db`), small(keeps));
      using lab = Lab.open(path(`${name}.db`));
      // As if it had been imported without weights, but for one run that hasn't begun.
      lab.run("DELETE FROM artifacts");
      lab.run("UPDATE runs SET status = 'waiting', step = 0 WHERE id = 2");
    }
    const bare = (keep: string) => ["--db", path(`${keep}.db`)];
    const imported =
      /, (?:there is none|none has); results that were imported without weights get them where deno task sweep --db NEW\.db trains them$/;
    const cases: [args: string[], says: RegExp][] = [
      [a, /^Cannot do without --run: must have a value, there is none$/],
      [["--run", "1", "--csv", "--json", ...a], /^Cannot use --csv and --json together: must be one of them$/],
      [["--run", "1", "--figure", path("out.pdf"), ...a], /^Cannot write --figure .*out\.pdf: its name must end in \.svg or \.png/],
      [
        ["--run", "1", "--db", path("none.db")],
        /^Cannot open .*none\.db: it must be there, there is none; deno task db import data\/recorded\/NAME makes one of recorded results in seconds, deno task sweep trains one$/,
      ],
      [
        ["--run", "99", ...a],
        /^Cannot find run 99 in .*a\.db: it must be the id or the hash \(or its first digits\) of one run, none of its 6 runs is$/,
      ],
      [["--run", "x'; --", ...a], /^Cannot find run x'; -- in .*, none of its 6 runs is$/],
      [["--run", "abcd", ...a], /^Cannot find run abcd in .*, several begin so$/],
      [["--run", "1", "--db", path("empty.db")], /^Cannot find run 1 in .*empty\.db: .*, it has no runs$/],
      [
        ["--run", String(diverged), ...a],
        /^Cannot probe run \d+ \([0-9a-f]{16}\): it must have a checkpoint in .*a\.files, there is none; its loss stopped being a number, and of such a run none is kept$/,
      ],
      [["--run", "2", ...bare("checkpoint")], /there is none; none of its states has been stored yet$/],
      [["--run", "1", ...bare("checkpoint")], imported],
      [["--run", "1", "--weights", ...bare("checkpoint")], imported],
      [["--experiment", "small", "--csv", ...bare("checkpoint")], imported],
      [["--experiment", "small", "--csv", "--weights", ...bare("checkpoint")], imported],
      [["--run", "1", ...bare("watched")], imported],
      [["--experiment", "small", "--csv", ...bare("watched")], imported],
      [["--run", "1", ...bare("nothing")], /there is none; keep "checkpoint" in its experiment keeps one$/],
      [["--experiment", "small", "--csv", ...bare("nothing")], /none has; keep "checkpoint" in its experiment keeps one$/],
      [["--experiment", "small", "--csv", "--weights", ...bare("nothing")], /none has; keep "checkpoint" in its experiment keeps one$/],
      [["--run", "2", "--figure", path("out.svg"), ...a], /^Cannot load .*gone\.safetensors: No such file/],
      [
        ["--run", "1", ...b],
        /^Cannot compute progress measures: the run's operation must be x_plus_y or x_minus_y, current value is permutation$/,
      ],
      [["--run", "2", ...b], /current value is x_div_y$/],
    ];
    for (const [args, says] of cases) {
      const error = await assertRejects(() => main(args), Error);
      assertMatch(error.message, says);
      assert(!error.message.includes("\n"));
    }
    assertThrows(() => Deno.statSync(path("out.svg")));
    // As a process: nothing on stdout, exit code 1.
    const { code, stdout, stderr } = await probe("--run", "99", ...a);
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, "error: Cannot find run 99");
  }));

Deno.test("the runs of an experiment as one table: read back, it draws the same progress; what is wrong in it is said with its line", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    using lab = Lab.open(path("a.db"));
    await addWeights(lab, 1, [0, 10, 50]);
    const [{ name }] = lab.query<{ name: string }>("SELECT name FROM experiments");
    const { code, stdout: table } = await probe("--experiment", name, "--csv", "--db", path("a.db"));
    assertEquals(code, 0);
    const probed = await probeRuns(lab, name), read = withReadings(lab, name, table);
    assertEquals(read.map(({ keys, readings }) => [keys, readings.length]), probed.map(({ keys, readings }) => [keys, readings.length]));
    for (const turned of [(runs: typeof read) => runs, (runs: typeof read) => runs.map(byNeurons)]) {
      const [whole, short] = [turned(probed), turned(read)];
      assertEquals(short.map(({ readings }) => readings.map(progressRow)), whole.map(({ readings }) => readings.map(progressRow)));
      // Of several runs, since a single one shows matrices, too, which no table holds.
      assertEquals(progressFigure([...short, ...short]).svg, progressFigure([...whole, ...whole]).svg);
    }
    assert(!progressFigure([read[0]]).svg.includes("Cosine"));

    const lines = table.split("\n"),
      broken = (i: number, from: RegExp | string, to: string) =>
        assertThrows(() => withReadings(lab, name, lines.with(i, lines[i].replace(from, to)).join("\n")), Error).message;
    assertMatch(broken(0, "hash", "run"), /^readings\.csv, line 1: its columns must be hash, step, .*, current value is "run, step/);
    assertMatch(broken(2, /,\d+,/, ",ten,"), /^readings\.csv, line 3: step must be a number, current value is "ten"$/);
    assertMatch(lines[1].split(",")[0], /^[0-9a-f]{16}$/);
    assertEquals(withReadings(lab, name, lines[0]), []);

    await assertRejects(() => main(["--experiment", name]), Error, "must stand with --csv and without --run, --by, --figure and --json");
    await assertRejects(() => main(["--experiment", name, "--csv", "--json"]), Error, "current value is --json");
    await assertRejects(() => main(["--experiment", "none", "--csv", "--db", path("a.db")]), Error, "none");
  }));
