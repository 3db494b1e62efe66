/** Why a microphone or camera does not work, in the cases that people can do different things about. */
export type DeviceProblem =
  /** The person, the browser or the system said no. */
  | 'refused'
  /** There is no such device. */
  | 'missing'
  /** Another program holds it, or the system cannot start it. */
  | 'busy'
  /** The page did not come over HTTPS: browsers then offer no devices at all. */
  | 'insecure'
  /** The browser has no way to reach devices. */
  | 'unsupported'
  /** None of these. */
  | 'failed';

/** Sorts what `getUserMedia` throws (Media Capture and Streams, section 10.2, and what browsers still name otherwise). */
export function classifyError(error: unknown): DeviceProblem {
  switch (error instanceof Error || isDomException(error) ? error.name : '') {
    case 'NotAllowedError':
    case 'PermissionDeniedError':
    case 'SecurityError': // By the permissions policy of the page, or of the frame that it is in.
      return 'refused';
    case 'NotFoundError':
    case 'DevicesNotFoundError':
    case 'OverconstrainedError':
    case 'ConstraintNotSatisfiedError':
      return 'missing';
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return 'busy';
    case 'NotSupportedError':
      return 'unsupported';
    default:
      return 'failed';
  }
}

function isDomException(error: unknown): error is DOMException {
  return typeof DOMException !== 'undefined' && error instanceof DOMException;
}

/** Whether this page can ask for devices at all. */
export function pageProblem(page: { secure: boolean; mediaDevices: unknown }): DeviceProblem | null {
  if (page.mediaDevices) return null;
  return page.secure ? 'unsupported' : 'insecure';
}
