/** Something that was asked for and cannot be done, or a target that does not answer: in one line. */
export class CalibrateError extends Error {}
