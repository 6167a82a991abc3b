/** Command lines as they are recorded, and as they stand in scripts: words of a shell. */

/** A word of a shell command. */
export const quoted = (word: string): string => /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** What was run, as a shell reads it. */
export const commandLine = (task: string, args: readonly string[]): string => [task, ...args.map(quoted)].join(" ");

/** A command without folders of the machine that it ran on: of an absolute path, the last name stays. */
export const withoutFolders = (command: string): string =>
  command.replaceAll(/(?:\\'|'[^']*'|[^\s'])+/g, (word) => {
    const plain = word.replaceAll(/\\'|'([^']*)'/g, (_, inside?: string) => inside ?? "'");
    const short = plain.replaceAll(/(^|[=,"])(?:[A-Za-z]:)?[\\/](?![\s*])(?:[^,"]*[\\/])?([^,"\\/]+)[\\/]*(?=$|[,"])/g, "$1$2");
    return short === plain ? word : quoted(short);
  });
