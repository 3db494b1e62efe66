import type english from '../en/meeting';
import type { Localized } from '../types';

const meeting: Localized<typeof english> = {
  leave: '离开',
};

export default meeting;
