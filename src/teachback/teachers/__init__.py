"""Teachers: who writes new questions and answers. `TEACHERS` names them.

To add a teacher, write its file and add its line below.
"""

from collections.abc import Mapping

from .openai_teacher import OpenAITeacherSettings, hash_prompts, make_openai_teacher
from .pool_teacher import PoolTeacherSettings, hash_reserve, make_pool_teacher
from .program_teacher import ProgramTeacherSettings, hash_program, make_program_teacher
from .registered import RegisteredTeacher

TEACHERS: Mapping[str, RegisteredTeacher] = {
    "program": RegisteredTeacher(
        ProgramTeacherSettings, make_program_teacher, hash_program
    ),
    "openai": RegisteredTeacher(
        OpenAITeacherSettings, make_openai_teacher, hash_prompts
    ),
    "pool": RegisteredTeacher(PoolTeacherSettings, make_pool_teacher, hash_reserve),
}
