/** `npm run -s translation`: the page of losses, on standard output. */
import { matrix } from "./matrix.ts";
import { page } from "./page.ts";

process.stdout.write(page(matrix()));
