// Who has signed in, and what this user may do.

export class Session {
  constructor({ user, permissions, flowerUrl }) {
    this.user = user;
    this.flowerUrl = flowerUrl;
    this.permissions = new Set(permissions);
  }

  // may("TASK_MANAGER"): whether the user has the permission. The API asks again for each call.
  may(permission) {
    return this.permissions.has(permission);
  }
}
