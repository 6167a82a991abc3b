/** Jupyter as a person meets it: `deno task lab`, its page in headless Chromium, and the buttons and menus of Notebook 6. */
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import type { Notebook } from "../../lib/cli/notebooks.ts";
import { output, ROOT } from "../../lib/cli/process.ts";
import { LAB_FILE, LABS } from "../../lib/notebook/sweep.ts";
import { canBrowse as hasBrowser, launch, SOON } from "../chromium.ts";

/** Whether there is a browser, and the Jupyter whose buttons are known here: Notebook 7 has others. */
export const canBrowse = hasBrowser && /^6\./.test(await output("jupyter-notebook", ["--version"]));

/** How long a notebook may run, in ms, on a slow and busy machine. */
export const LONG = 15 * 60_000;

/** Opens a notebook of Jupyter's list by a click. */
export type Open = (name: string) => Promise<OpenNotebook>;

/**
 * Starts `deno task lab` on a folder with these notebooks, beside `notebooks/` so that their imports hold, and opens them as a person does:
 * from the address that Jupyter prints, by a click in its list. All is gone in the end.
 */
export async function inJupyter(notebooks: Readonly<Record<string, object>>, use: (open: Open) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: ROOT, prefix: ".notebooks-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  for (const [name, notebook] of Object.entries(notebooks)) await Deno.writeTextFile(join(folder, name), JSON.stringify(notebook));
  await inLab({ project: ROOT, folder, args: ["--notebook-dir", folder] }, use);
}

/** Where `deno task lab` is started, and the folder that it opens. */
export interface LabOptions {
  readonly project: string;
  readonly folder: string;
  readonly args?: readonly string[];
  /** Whether Jupyter knows nothing of this machine's user: it has trusted no notebook yet. */
  readonly stranger?: boolean;
}

/** Starts `deno task lab` in a copy of the project. Notebooks find a lab that is new, whatever the project's holds. */
export async function inLab(
  { project, folder, args = [], stranger = false }: LabOptions,
  use: (open: Open) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const settings = await Deno.makeTempDir(); // instead of what this machine's user has set
  stack.defer(() => Deno.remove(settings, { recursive: true }));
  const lab = new Deno.Command(Deno.execPath(), {
    args: ["task", "lab", "--no-browser", ...args],
    cwd: project,
    env: {
      NO_COLOR: "1",
      [LAB_FILE]: join(settings, "lab.db"),
      [LABS]: settings,
      JUPYTER_CONFIG_DIR: settings,
      ...stranger && { JUPYTER_DATA_DIR: settings },
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = listen(lab.stderr);
  stack.defer(async () => {
    try {
      lab.kill("SIGTERM");
    } catch {
      // it has ended by itself
    }
    await lab.status;
    await said.ended; // Jupyter, too, has let go of it
  });
  const address = await said.first(/http:\/\/(?:localhost|127\.0\.0\.1):\d+\/\?token=\w+/);

  const chrome = await launch();
  stack.defer(() => chrome.close());
  const list = await chrome.newPage({ viewport: { width: 1280, height: 900 } });
  list.context().setDefaultTimeout(SOON);
  await list.goto(address);
  await use(async (name) => {
    const [page] = await Promise.all([list.waitForEvent("popup"), list.click(`text=${name}`)]);
    await page.waitForFunction("window.Jupyter?.notebook?.kernel?.is_connected()");
    return new OpenNotebook(page, join(folder, name));
  });
}

/** What a process says, as it comes. */
function listen(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  let text = "", heard = () => {};
  const ended = (async () => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      heard();
    }
  })();
  return {
    ended,
    /** The first thing it says that matches. */
    first: async (pattern: RegExp): Promise<string> => {
      while (!pattern.test(text)) {
        const more = new Promise<void>((resolve) => heard = resolve);
        const over = await Promise.race([more, ended.then(() => true)]);
        if (over && !pattern.test(text)) throw new Error(`Cannot start Jupyter: it must say ${pattern}, but said\n${text}`);
      }
      return text.match(pattern)![0];
    },
  };
}

/** A notebook's page. */
export class OpenNotebook {
  constructor(readonly page: Page, readonly file: string) {}

  /** Whether Jupyter shows all that the notebook holds, scripts included. */
  trusted = () => this.page.evaluate<boolean>("Jupyter.notebook.trusted");

  cell = (index: number): Locator => this.page.locator("#notebook-container > .cell").nth(index);

  async menu(menu: string, item: string): Promise<void> {
    for (const text of [menu, item]) await this.page.locator("#menubar").getByText(text, { exact: true }).click();
  }

  /** Kernel → Restart & Run All. Comes back when the first cell waits for the kernel. */
  async restartAndRunAll(): Promise<void> {
    await this.menu("Kernel", "Restart & Run All");
    await this.page.click(".modal-dialog .btn-danger");
    await this.page.waitForFunction(`${PROMPTS}.includes("*")`);
  }

  /** Cell → Run All. */
  async runAll(): Promise<void> {
    await this.menu("Cell", "Run All");
    await this.page.waitForFunction(`${PROMPTS}.includes("*")`);
  }

  /** The button ■. */
  interrupt = () => this.page.click('button[data-jupyter-action="jupyter-notebook:interrupt-kernel"]');

  /** Beside every cell of code: which it was to run, `*` while it runs or waits. */
  prompts = () => this.page.evaluate<readonly (number | "*" | null)[]>(PROMPTS);

  /** Waits until nothing runs. */
  async finished(timeout = LONG): Promise<void> {
    await this.page.waitForFunction(IDLE, undefined, { timeout, polling: 200 });
  }

  /** The button with the disk. @returns what was written. */
  async save(): Promise<Notebook> {
    await this.page.click('button[data-jupyter-action="jupyter-notebook:save-notebook"]');
    await this.page.waitForFunction("!Jupyter.notebook.dirty");
    return JSON.parse(await Deno.readTextFile(this.file));
  }
}

const PROMPTS = `Jupyter.notebook.get_cells().filter((cell) => cell.cell_type === "code").map((cell) => cell.input_prompt_number)`;
const IDLE = `!${PROMPTS}.includes("*") && !Jupyter.notebook.kernel_busy`;
