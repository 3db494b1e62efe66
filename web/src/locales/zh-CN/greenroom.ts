import type english from '../en/greenroom';
import type { Localized } from '../types';

const greenroom: Localized<typeof english> = {
  title: '准备好了吗？',
  yourName: '你的名字',
  namePlaceholder: '别人会看到这个名字',
  nameNeeded: '请填写名字，好让别人知道你是谁。',
};

export default greenroom;
