import check from './check';
import common from './common';
import error from './errors';
import greenroom from './greenroom';
import home from './home';
import meeting from './meeting';
import notice from './notices';

export default { check, common, error, greenroom, home, meeting, notice };
