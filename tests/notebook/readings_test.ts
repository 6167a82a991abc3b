/** Readings in a notebook: as the record tells them, else by the lab's weights, else none; nothing is trained. */
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { experimentReadings, READINGS } from "../../lib/lab/readings.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { Lab } from "../../lib/lab/store.ts";
import { storedReadings } from "../../lib/notebook/readings.ts";
import { scratch } from "../lab/lab_files.ts";
import { small, train } from "../lab/small_lab.ts";

Deno.test("readings: of the record's table, where it has as many runs as the lab has weights of, else of these, else none", () =>
  scratch(async (path) => {
    const experiment = small(), { name } = experiment, recorded = path("recorded"), db = path("b.db");
    await train(path("a.db"), experiment);
    using lab = Lab.open(path("a.db"));
    await exportRecorded(lab, name, join(recorded, name), { metrics: "all", command: "test" });
    assertEquals(await storedReadings(experiment, { db, recorded }), []);

    Deno.writeTextFileSync(join(recorded, name, READINGS), await experimentReadings(lab, name));
    const told = await storedReadings(experiment, { db, recorded }),
      own = await storedReadings(experiment, { db: path("a.db"), recorded: false });
    assertEquals(
      told.map(({ grokkingStep, keys }) => ({ grokkingStep, keys })),
      own.map(({ grokkingStep, keys }) => ({ grokkingStep, keys })),
    );
    assertEquals(told.map(({ readings }) => readings.map(({ step }) => step)), own.map(({ readings }) => readings.map(({ step }) => step)));
    assertEquals([told.length > 0, "similarity" in told[0].readings[0], "similarity" in own[0].readings[0]], [true, false, true]);
    assertEquals(await storedReadings(experiment, { db, recorded: false }), []);
    // Weights of runs that the table lacks take its place.
    const kinds = async () =>
      (await storedReadings(experiment, { db: path("a.db"), recorded })).map(({ readings: [first] }) => "similarity" in first);
    assertEquals(await kinds(), own.map(() => false));
    Deno.writeTextFileSync(join(recorded, name, READINGS), `${(await experimentReadings(lab, name)).split("\n")[0]}\n`);
    assertEquals(await kinds(), own.map(() => true));

    Deno.writeTextFileSync(join(recorded, name, READINGS), "");
    await assertRejects(() => storedReadings(experiment, { db, recorded }), Error, "readings.csv, line 1: its columns must be hash, step");
  }));
