export default {
  leave: 'Leave',
} as const;
