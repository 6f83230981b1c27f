/** The peers' scores, measured once with the same scorer on traces that their rules were not tuned on. Not run here. */
export const peers: readonly string[] = [
  "| seeds as documented (source against the site's mean) | 69 % | 28 | 30 % | 124 | 31.5 % | 34 % | 34/34 | 0.09 |",
  "| fail2ban-like (100 requests and 20 errors a minute) | 76 % | 14 | 18 % | 138 | 46.7 % | 60 % | 0 | 0 |",
  "| CrowdSec-like (shipped scenarios, Nextcloud whitelist) | 39 % | 5 | 84 % | 20 | 6.4 % | 6 % | 0 | 0 |",
];
