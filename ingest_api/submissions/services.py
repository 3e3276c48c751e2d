"""The collaborators for submissions."""

from dataclasses import dataclass

from ingest_api.submissions.submit import Submissions
from ingest_api.users.services import UserServices


@dataclass(frozen=True, kw_only=True)
class SubmissionServices(UserServices):
    """The collaborators of the endpoint that submits."""

    submissions: Submissions
