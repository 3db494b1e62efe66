export default {
  title: 'Ready to join?',
  yourName: 'Your name',
  namePlaceholder: 'How others will see you',
  nameNeeded: 'Enter a name so that others know who you are.',
} as const;
