/** The lab's runs and evaluations as Parquet files, which other languages read with their types: a column for each of the database's. */
import { fileWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import { join } from "node:path";
import type { SQLOutputValue } from "node:sqlite";
import { columnOf, ENTRIES } from "../run/fields.ts";
import { writeThrough } from "../run/files.ts";
import { EVALUATION } from "./connection.ts";
import { experimentId } from "./overview.ts";
import type { Lab } from "./store.ts";

type Type = "STRING" | "INT64" | "DOUBLE";
interface Column {
  readonly name: string;
  readonly type: Type;
}
type Rows = readonly (readonly SQLOutputValue[])[];

/** Rows that are written together, and that readers can skip together. */
const GROUP = 100_000;

/**
 * Writes `runs.parquet`, of each experiment's runs what `run_summary` says and all fields of their specs, and `metrics.parquet`, their
 * evaluations; `run` is the same in both. A sweep may be at work meanwhile.
 * @param experiment its runs alone, up to its steps; without one, all of the lab.
 * @returns how many runs and evaluations were written.
 * @throws Error in one line where there is no such experiment, or a file can't be written.
 */
export async function writeParquet(lab: Lab, folder: string, experiment?: string): Promise<{ runs: number; evaluations: number }> {
  return await lab.read(async () => {
    const id = experiment === undefined ? null : experimentId(lab, experiment);
    const summary = typesOf(lab, "run_summary"), known = new Set(summary.map(({ name }) => name));
    const fields = new Set(ENTRIES.map(columnOf)), more = typesOf(lab, "runs").filter(({ name }) => fields.has(name) && !known.has(name));
    const { rows } = lab.table(
      `SELECT ${[...summary.map(({ name }) => `s.${name}`), ...more.map(({ name }) => `r.${name}`)].join(", ")}
       FROM run_summary s JOIN runs r ON r.id = s.run WHERE s.experiment = ?1 OR ?1 IS NULL ORDER BY s.experiment, s.run`,
      experiment ?? null,
    );
    const of = lab.query<{ run: number; steps: number | null }>(
      `SELECT run, CASE WHEN ?1 IS NOT NULL THEN max(steps) END AS steps FROM members WHERE experiment = ?1 OR ?1 IS NULL
       GROUP BY run ORDER BY run`,
      id,
    );
    const evaluations = function* () {
      for (const { run, steps } of of) yield lab.evaluations(run, steps ?? undefined);
    };
    await writeTable(join(folder, "runs.parquet"), [...summary, ...more], [rows]);
    return { runs: rows.length, evaluations: await writeTable(join(folder, "metrics.parquet"), METRICS, evaluations()) };
  });
}

const METRICS = EVALUATION.split(", ").map((name): Column => ({ name, type: name === "run" || name === "step" ? "INT64" : "DOUBLE" }));

const TYPES: Readonly<Record<string, Type>> = { TEXT: "STRING", INTEGER: "INT64", REAL: "DOUBLE", ANY: "STRING", BLOB: "STRING" };
/** What a view computes has no type in SQLite: these, and whole numbers. */
const COMPUTED: Readonly<Record<string, Type>> = {
  state: "STRING",
  status: "STRING",
  setting: "STRING",
  dip_depth: "DOUBLE",
  time_below: "DOUBLE",
};

const typesOf = (lab: Lab, table: string): Column[] =>
  lab.query<{ name: string; type: string }>("SELECT name, type FROM pragma_table_xinfo(?) ORDER BY cid", table)
    .map(({ name, type }) => ({ name, type: TYPES[type] ?? COMPUTED[name] ?? "INT64" }));

/** Writes rows, which come in pieces, in groups of about `GROUP`; how many they were. */
async function writeTable(path: string, columns: readonly Column[], pieces: Iterable<Rows>): Promise<number> {
  let count = 0;
  await writeThrough(path, async (temporary) => {
    const schema = schemaFromColumnData({ columnData: columns.map((column) => ({ ...column, data: [] })) });
    const file = new ParquetWriter({ writer: fileWriter(temporary), schema, createdBy: "grokbook" });
    let rows: Rows[number][] = [];
    const flush = async () => {
      await file.write({
        columnData: columns.map((column, i) => ({ ...column, data: rows.map((row) => valueOf(column.type, row[i])) })),
        rowGroupSize: GROUP,
      });
      count += rows.length;
      rows = [];
    };
    for (const piece of pieces) {
      rows = rows.concat(piece);
      if (rows.length >= GROUP) await flush();
    }
    await flush();
    await file.finish();
  });
  return count;
}

const valueOf = (type: Type, value: SQLOutputValue) =>
  value === null ? null : type === "INT64" ? BigInt(value as number) : type === "STRING" ? String(value) : value;
