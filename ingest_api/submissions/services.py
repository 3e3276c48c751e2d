"""The collaborators of a submission."""

from dataclasses import dataclass

from ingest_api.submissions.submit import Submissions
from ingest_api.users.services import UserServices


@dataclass(frozen=True, kw_only=True)
class SubmissionServices(UserServices):
    """What a submission needs."""

    submissions: Submissions
