import { Random } from "./lib/run/random.ts"; import { labs } from "./tests/fuzz/labs.ts";
const t=performance.now(); let n=0; for await (const f of labs(new Random(Number(Deno.args[1]??18),"init"), Number(Deno.args[0]))) { if(n++<40) console.log(f.input.slice(0,300), "\n   =>", f.fault.slice(0,400)); } console.log(n, performance.now()-t);
