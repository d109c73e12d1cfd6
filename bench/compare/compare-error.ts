/** Something that cannot be done as it was asked for, in one line for whoever asked; the command exits with 2. */
export class CompareError extends Error {}
